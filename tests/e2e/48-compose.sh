#!/usr/bin/env bash
# Docker Compose: a project runs, is imported by a package, is converted; what is refused says where.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

# A front end with a page and a single mounted file, and a database whose health it waits for.
mkdir -p shop/page
echo 'the shop is open' >shop/page/index.html
echo 'one file' >shop/note.txt
printf 'REDIS_TAG=7\nGREETING="hello from .env"\n' >shop/.env
printf '# read for the front end\nFROM_FILE=yes\n' >shop/front.env
cat >shop/docker-compose.yml <<'YAML'
services:
  front:
    image: nginx:1
    container_name: front_end
    ports: ["8080:80"]
    volumes:
      - ./page:/var/www/html
      - ./note.txt:/etc/note.txt
    environment:
      STORE: redis://key_store:6379
      GREETING: ${GREETING}
      MODE: ${MODE:-plain}
    env_file: front.env
    depends_on:
      key_store:
        condition: service_healthy
    networks: [inside]
  key_store:
    image: redis:${REDIS_TAG}
    volumes: [data:/data]
    healthcheck:
      test: [CMD, redis-cli, ping]
      interval: 500ms
      retries: 20
    networks: [inside]
  tools:
    image: nginx:1
    profiles: [debug]
networks:
  inside: {}
volumes:
  data: {}
YAML
expect "Starlark code successfully run" kurtosis run --enclave shop shop
expect "front-end" kurtosis enclave inspect shop
expect "key-store" kurtosis enclave inspect shop
[[ $(kurtosis enclave inspect shop) != *tools* ]] || fail "a service runs whose profile is off"
address=$(address_of shop front-end port0)
[ "$(curl -fsS "http://$address/")" = 'the shop is open' ] || fail "the page is not served"
expect "one file" kurtosis service exec shop front-end 'cat /etc/note.txt'
expect "redis://key-store:6379 plain hello from .env yes" \
	kurtosis service exec shop front-end 'echo $STORE $MODE $GREETING $FROM_FILE'
expect "PONG" kurtosis service exec shop key-store 'redis-cli ping'

# The same from git, and imported by a package.
repository far/shop shop
expect "Starlark code successfully run" kurtosis run --enclave remote github.com/far/shop
expect "key-store" kurtosis enclave inspect remote
package uses <<'STAR'
shop = import_module("github.com/far/shop/docker-compose.yml")
def run(plan):
    shop.run(plan)
    plan.print("imported")
STAR
expect "imported" kurtosis run --enclave imported uses
expect "front-end" kurtosis enclave inspect imported

# import: files of this machine; --convert only writes the script.
cat >alone.yml <<'YAML'
services:
  web:
    image: nginx:1
    ports: ["8081:80"]
    volumes: [./shop/page:/var/www/html]
    environment: {WORD: "${WORD}"}
YAML
echo 'WORD=given' >alone.env
kurtosis import --env alone.env --convert alone.yml
[[ $(<alone.star) == *'"docker-8081": PortSpec(number=80'*'"WORD": "given"'* ]] || fail "the script is: $(<alone.star)"
expect "web" kurtosis import --env alone.env --enclave alone alone.yml
address=$(address_of alone web docker-8081)
[ "$(curl -fsS "http://$address/")" = 'the shop is open' ] || fail "the imported page is not served"

# What cannot be carried out is named, with its place.
refused() {
	rm -rf bad
	mkdir bad
	printf 'services:\n  web:\n    image: nginx:1\n    %s\n' "$2" >bad/compose.yml
	refuse "$1" kurtosis run --enclave bad bad
}
refused "compose.yml: services.web.network_mode: 'host' is not supported" 'network_mode: host'
refused "compose.yml: services.web.secrets is not supported" 'secrets: [token]'
refused "compose.yml: services.web.imgae: Additional property imgae is not allowed" 'imgae: x'
refused "services.web.depends_on.db.condition" $'depends_on: {db: {condition: service_completed_successfully}}\n  db: {image: redis:7}'
refused "required variable TOKEN is missing a value: set it" 'environment: {A: "${TOKEN:?set it}"}'
refused "checking is the volume path existed in the package on disc: ./gone" 'volumes: ["./gone:/x"]'
mkdir -p built/app && echo 'FROM nginx:1' >built/app/Dockerfile
printf 'services:\n  web:\n    build: ./app\n' >built/compose.yml
refuse "building images (ImageBuildSpec) is not supported yet" kurtosis run --enclave bad built
