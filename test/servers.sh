#!/usr/bin/env bash
# Starts the real servers for end-to-end and fault tests on 127.0.0.1, without Docker.
#   test/servers.sh up NAME…            install missing programs, and start
#   test/servers.sh kill|start NAME…    SIGKILL, and start again on the same data
#   test/servers.sh stop NAME…          SIGTERM: a server that is stopped in order
#   test/servers.sh pause|resume NAME…  SIGSTOP and SIGCONT: a server that hangs
#   test/servers.sh down                stop all of them and delete their data
#   test/servers.sh env                 print the variables that point the service and its tests at them
# NAME is kafka, minio, postgres, pgbouncer, keycloak or jaeger; kafka-1, kafka-2 and kafka-3 are the brokers of one cluster.
# On KAFKA_SASL_BROKERS the user `users` has the rights that ACLs grant; elsewhere everybody has all rights.
# SERVERS_HOME holds the data and the logs, SERVERS_CACHE the programs, SERVERS_PORT is the first of 20 ports.
# Kafka and Keycloak come from Maven, MinIO and Jaeger are built with Go, PostgreSQL, PgBouncer and Java are Debian packages.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
home=${SERVERS_HOME:-/tmp/user-service-servers}
cache=${SERVERS_CACHE:-$HOME/.cache/user-service-stack/bin}
first=${SERVERS_PORT:-42000}
kafka_port=$first kafka_controller_port=$((first + 1)) minio_port=$((first + 2)) postgres_port=$((first + 3))
keycloak_port=$((first + 4)) keycloak_management_port=$((first + 5))
jaeger_otlp_port=$((first + 6)) jaeger_thrift_port=$((first + 7)) jaeger_query_port=$((first + 8))
cluster_port=$((first + 9)) # the brokers of the cluster have the next three ports, and their controllers three more
pgbouncer_port=$((first + 16)) kafka_sasl_port=$((first + 17))
postgres_data=/var/lib/postgresql/user-service-$first # PostgreSQL refuses root, so it runs as its own user

log() { echo "servers: $*" >&2; }
fail() { log "$*"; exit 1; }
pid_of() { # prints the process id of a server that runs
  local pid
  pid=$(cat "$home/$1/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

launch() { # NAME COMMAND…: in a session of its own, so that a signal reaches its children
  local name=$1
  shift
  mkdir -p "$home/$name"
  (
    cd "$home/$name"
    setsid "$@" </dev/null >>log 2>&1 &
    echo $! >pid
  )
}

wait_until() { # NAME SECONDS COMMAND…: until the command succeeds
  local name=$1 seconds=$2 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! pid_of "$name" >/dev/null || [ $SECONDS -ge $end ]; then
      tail -n 20 "$home/$name/log" >&2
      fail "$name did not start within $seconds s"
    fi
    sleep 0.2
  done
  pid_of "$name" >/dev/null || fail "$name has ended, and another server answers on its port"
}

debian_packages() { # COMMAND PACKAGE…: unless the command is there
  command -v "$1" >/dev/null && return
  shift
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"; } >&2
}

maven_download() { # DEPENDENCY_XML FOLDER: the artifact and what it needs at run time
  local project
  debian_packages java openjdk-17-jre-headless
  debian_packages mvn maven
  project=$(mktemp -d)
  cat >"$project/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>local</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>$1</dependency></dependencies>
</project>
XML
  rm -rf "$2.part" "$2"
  mvn -q -B -f "$project/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$2.part" >&2
  mv "$2.part" "$2"
  rm -rf "$project"
}

go_install() { # PROGRAM MODULE@VERSION
  [ -x "$cache/$1" ] && return
  log "building $1: a few minutes, once"
  debian_packages go golang-go
  GOBIN=$cache GOFLAGS=-mod=mod go install -ldflags '-s -w' "$2" >&2
}

install_kafka() {
  [ -d "$cache/kafka" ] && debian_packages java openjdk-17-jre-headless && return
  log "downloading Kafka"
  maven_download "<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.1.1</version>" "$cache/kafka"
}
start_kafka() { # NAME: kafka, or a broker of the cluster
  local name=$1 folder=$home/$1 java=(java -Xms256m -Xmx768m -cp "$cache/kafka/*")
  local id=1 port=$kafka_port controller_port=$kafka_controller_port replicas=1 in_sync=1
  local voters=1@127.0.0.1:$controller_port
  if [ "$name" != kafka ]; then
    id=${name#kafka-} port=$((cluster_port + id)) controller_port=$((cluster_port + 3 + id)) replicas=3 in_sync=2
    voters=1@127.0.0.1:$((cluster_port + 4)),2@127.0.0.1:$((cluster_port + 5)),3@127.0.0.1:$((cluster_port + 6))
  fi
  local address=PLAINTEXT://127.0.0.1:$port
  if [ "$name" = kafka ]; then address=$address,SASL://127.0.0.1:$kafka_sasl_port; fi
  mkdir -p "$folder"
  cat >"$folder/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$id
controller.quorum.voters=$voters
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.timeout.ms=500
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
controller.listener.names=CONTROLLER
listeners=$address,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=$address
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_users="users";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs=$folder/data
num.partitions=3
default.replication.factor=$replicas
min.insync.replicas=$in_sync
offsets.topic.num.partitions=3
offsets.topic.replication.factor=$replicas
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync
group.initial.rebalance.delay.ms=0
PROPERTIES
  [ -f "$folder/data/meta.properties" ] ||
    "${java[@]}" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$folder/server.properties" >"$folder/log" 2>&1
  launch "$name" "${java[@]}" kafka.Kafka "$folder/server.properties"
  # the first broker of the cluster answers only after the second one has started
  if [ "$name" = kafka ] || [ "$(cluster_size)" -gt 1 ]; then
    wait_until "$name" 60 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
  fi
}
cluster_size() { # prints how many of its brokers run
  local name
  for name in kafka-1 kafka-2 kafka-3; do pid_of "$name" || true; done | wc -l
}

install_minio() { go_install minio github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c; }
start_minio() {
  launch minio env MINIO_ROOT_USER=minioadmin MINIO_ROOT_PASSWORD=minioadmin123 MINIO_BROWSER=off MINIO_UPDATE=off \
    "$cache/minio" server "$home/minio/data" --address "127.0.0.1:$minio_port" --quiet
  wait_until minio 30 curl -sf "http://127.0.0.1:$minio_port/minio/health/ready"
}

install_postgres() { ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || debian_packages '' postgresql; }
start_postgres() {
  local programs as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
  programs=$(dirname "$(ls /usr/lib/postgresql/*/bin/postgres | tail -n 1)")
  export PGPASSWORD=postgres
  mkdir -p "$home/postgres"
  if [ ! -f "$postgres_data/PG_VERSION" ]; then
    install -d -o postgres -m 700 "$postgres_data"
    echo postgres >"$postgres_data.password"
    "${as_postgres[@]}" "$programs/initdb" -D "$postgres_data" -U postgres --pwfile="$postgres_data.password" \
      --auth=scram-sha-256 -E UTF8 --locale=C.UTF-8 >"$home/postgres/log" 2>&1
    printf "%s\n" "listen_addresses='127.0.0.1'" "port=$postgres_port" "unix_socket_directories=''" max_connections=200 \
      >>"$postgres_data/postgresql.conf"
  fi
  rm -f "$postgres_data/postmaster.pid"
  for _ in $(seq 20); do # after a SIGKILL its old processes may hold the shared memory for a moment
    launch postgres "${as_postgres[@]}" "$programs/postgres" -D "$postgres_data"
    sleep 0.25
    pid_of postgres >/dev/null && break
  done
  wait_until postgres 30 "$programs/pg_isready" -h 127.0.0.1 -p "$postgres_port"
  local psql=("$programs/psql" -qAt -h 127.0.0.1 -p "$postgres_port" -U postgres -c)
  [ -n "$("${psql[@]}" "SELECT 1 FROM pg_database WHERE datname = 'ai_video_interview'")" ] ||
    "${psql[@]}" 'CREATE DATABASE ai_video_interview'
}

install_pgbouncer() { debian_packages pgbouncer pgbouncer; }
start_pgbouncer() { # in front of DATABASE_HOST or of our own PostgreSQL; its databases are named by their mode
  local folder=$home/pgbouncer server="host=${DATABASE_HOST:-127.0.0.1} port=${DATABASE_PORT:-$postgres_port} dbname=ai_video_interview"
  mkdir -p "$folder"
  printf '"%s" "%s"\n' postgres postgres pooled pooled >"$folder/users.txt"
  cat >"$folder/pgbouncer.ini" <<INI
[databases]
session = $server pool_mode=session pool_size=50
transaction = $server pool_mode=transaction pool_size=5
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pgbouncer_port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users.txt
admin_users = postgres
${PGBOUNCER_SETTINGS:-}
INI
  local as_user=()
  [ "$(id -u)" != 0 ] || as_user=(--user=nobody) # it refuses root
  chmod 755 "$home" "$folder"
  launch pgbouncer pgbouncer "${as_user[@]}" "$folder/pgbouncer.ini"
  wait_until pgbouncer 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$pgbouncer_port"
}

install_keycloak() {
  [ -f "$cache/keycloak/.built" ] && debian_packages java openjdk-17-jre-headless && return
  log "downloading Keycloak"
  local version=26.4.5
  maven_download "<groupId>org.keycloak</groupId><artifactId>keycloak-quarkus-dist</artifactId><version>$version</version>
    <type>zip</type><exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>" "$cache/keycloak-zip"
  rm -rf "$cache/keycloak"
  python3 -m zipfile -e "$cache"/keycloak-zip/*.zip "$cache"
  mv "$cache/keycloak-$version" "$cache/keycloak"
  rm -rf "$cache/keycloak-zip"
  chmod +x "$cache"/keycloak/bin/*.sh
  "$cache/keycloak/bin/kc.sh" build --db=dev-mem >&2
  touch "$cache/keycloak/.built"
}
start_keycloak() {
  mkdir -p "$cache/keycloak/data/import"
  cp "$repository/test/realm.json" "$cache/keycloak/data/import/"
  launch keycloak env KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin \
    JAVA_OPTS_KC_HEAP='-Xms128m -Xmx512m' "$cache/keycloak/bin/kc.sh" start --optimized --import-realm --cache=local \
    --http-enabled=true --hostname-strict=false --http-host=127.0.0.1 --http-port="$keycloak_port" \
    --http-management-port="$keycloak_management_port"
  wait_until keycloak 240 curl -sf "http://127.0.0.1:$keycloak_port/realms/ai-video-interview"
}

install_jaeger() { go_install all-in-one github.com/jaegertracing/jaeger/cmd/all-in-one@v1.42.0; }
start_jaeger() { # port 0 is any free port: nobody uses these
  launch jaeger env COLLECTOR_OTLP_ENABLED=true "$cache/all-in-one" \
    --collector.otlp.http.host-port="127.0.0.1:$jaeger_otlp_port" --collector.otlp.grpc.host-port=127.0.0.1:0 \
    --collector.http-server.host-port="127.0.0.1:$jaeger_thrift_port" --collector.grpc-server.host-port="127.0.0.1:$((first + 9))" \
    --query.http-server.host-port="127.0.0.1:$jaeger_query_port" --query.grpc-server.host-port=127.0.0.1:0 \
    --admin.http.host-port=127.0.0.1:0 --http-server.host-port=127.0.0.1:0 --processor.jaeger-compact.server-host-port=127.0.0.1:0 \
    --processor.jaeger-binary.server-host-port=127.0.0.1:0 --processor.zipkin-compact.server-host-port=127.0.0.1:0 \
    --reporter.grpc.host-port="127.0.0.1:$((first + 9))"
  wait_until jaeger 30 curl -sf "http://127.0.0.1:$jaeger_query_port/api/services"
}

send_signal() { # SIGNAL NAME: to its session; each process of PostgreSQL has a session of its own
  local pid
  pid=$(pid_of "$2") || return 0
  local children
  children=$(pgrep -P "$pid" || true)
  kill "-$1" -- "-$pid"
  [ -z "$children" ] || kill "-$1" $children 2>/dev/null || true
}
stop() { # NAME SIGNAL: returns when it has ended
  local pid
  pid=$(pid_of "$1") || return 0
  kill "-$2" -- "-$pid" 2>/dev/null || return 0 # it has just ended
  for _ in $(seq 300); do
    pid_of "$1" >/dev/null || return 0
    sleep 0.1
  done
  stop "$1" KILL
}

print_env() {
  if pid_of kafka >/dev/null; then
    echo "export KAFKA_BROKERS=127.0.0.1:$kafka_port KAFKA_SASL_BROKERS=127.0.0.1:$kafka_sasl_port"
  fi
  if [ "$(cluster_size)" -gt 0 ]; then
    echo "export KAFKA_BROKERS=127.0.0.1:$((cluster_port + 1)),127.0.0.1:$((cluster_port + 2)),127.0.0.1:$((cluster_port + 3))"
  fi
  if pid_of minio >/dev/null; then echo "export MINIO_ENDPOINT=127.0.0.1 MINIO_PORT=$minio_port"; fi
  if pid_of postgres >/dev/null; then echo "export DATABASE_HOST=127.0.0.1 DATABASE_PORT=$postgres_port"; fi
  if pid_of pgbouncer >/dev/null; then echo "export PGBOUNCER_PORT=$pgbouncer_port"; fi
  if pid_of keycloak >/dev/null; then echo "export AUTH_ISSUER=http://127.0.0.1:$keycloak_port/realms/ai-video-interview"; fi
  if pid_of jaeger >/dev/null; then
    echo "export JAEGER_ENDPOINT=http://127.0.0.1:$jaeger_thrift_port/api/traces"
    echo "export JAEGER_OTLP_ENDPOINT=http://127.0.0.1:$jaeger_otlp_port/v1/traces JAEGER_QUERY=http://127.0.0.1:$jaeger_query_port"
  fi
}

verb=${1:-}
shift || true
for name in "$@"; do
  [[ $name =~ ^(kafka(-[123])?|minio|postgres|pgbouncer|keycloak|jaeger)$ ]] || fail "there is no server $name"
done
mkdir -p "$home" "$cache"
case "$verb" in
  up) for name in "$@"; do pid_of "$name" >/dev/null || { "install_${name%-[123]}"; "start_${name%-[123]}" "$name"; log "$name is up"; }; done ;;
  start) for name in "$@"; do pid_of "$name" >/dev/null || "start_${name%-[123]}" "$name"; done ;;
  kill) for name in "$@"; do stop "$name" KILL; done ;;
  stop) for name in "$@"; do stop "$name" TERM; done ;;
  pause) for name in "$@"; do send_signal STOP "$name"; done ;;
  resume) for name in "$@"; do send_signal CONT "$name"; done ;;
  down)
    for name in kafka kafka-1 kafka-2 kafka-3 minio pgbouncer postgres keycloak jaeger; do stop "$name" TERM; done
    rm -rf "$home" "$postgres_data" "$postgres_data.password"
    ;;
  env) print_env ;;
  *) sed -n '2,12p' "$0"; exit 2 ;;
esac
