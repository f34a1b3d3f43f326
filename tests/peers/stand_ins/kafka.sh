#!/bin/bash
# What Apache's image does at its start, by its own program: settings from KAFKA_... variables become
# server.properties, the storage is formatted if it is new, and the broker starts.
set -euo pipefail
java=(java -Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "/opt/kafka/libs/*")
java+=(-Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties)
export CLUSTER_ID=${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}
"${java[@]}" kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker \
    --mounted-configs-dir /mnt/shared/config \
    --final-configs-dir /opt/kafka/config
exec "${java[@]}" kafka.Kafka /opt/kafka/config/server.properties
