{{- define "sagastack.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sagastack.selector" -}}
app.kubernetes.io/name: sagastack
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sagastack.labels" -}}
{{ include "sagastack.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sagastack.storeSecret" -}}
{{- .Values.postgres.existingSecret | default (printf "%s-store" (include "sagastack.name" .)) -}}
{{- end -}}

{{- define "sagastack.vaultSecret" -}}
{{- .Values.vault.existingSecret | default (printf "%s-vault" (include "sagastack.name" .)) -}}
{{- end -}}

{{- define "sagastack.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
