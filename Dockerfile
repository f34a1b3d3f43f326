# A controller as an image: built in one stage, run in another without compilers and without root.
#
#   docker build -t sagastack .
#   docker run -p 127.0.0.1:8080:8080 -v cloud:/var/lib/sagastack sagastack

FROM python:3.11-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev pkg-config libvirt-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
WORKDIR /opt/sagastack
# What changes seldom comes first, so that a change of the code builds in seconds.
COPY requirements.txt requirements-otel.txt requirements-libvirt.txt ./
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements-otel.txt \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes --no-deps \
        --no-build-isolation -r requirements-libvirt.txt
COPY . .
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && /opt/venv/bin/python -m compileall -q aggregates api drivers engine projections sagastack

FROM python:3.11-slim-bookworm
# libvirt0 and ssh reach hosts; qemu-img looks at images before a hypervisor may open them.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libvirt0 openssh-client qemu-utils \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /var/lib/sagastack --create-home \
        --shell /usr/sbin/nologin sagastack
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/sagastack /opt/sagastack
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SAGASTACK_HOME=/var/lib/sagastack
USER 10001:10001
WORKDIR /var/lib/sagastack
VOLUME /var/lib/sagastack
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["sagastack"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
