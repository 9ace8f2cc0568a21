#!/usr/bin/env bash
# usage: scripts/docker-engine.sh COMMAND...
# Runs COMMAND where a Docker engine answers and has what the Dockerfile begins with. Needs an engine that answers and docker, or root on Debian
# with its packages (docker.io, debootstrap) and npm's within reach: then it starts an engine for as long as COMMAND runs, and makes the base
# image where no registry can be reached. Where that cannot be had, or not within DOCKER_PREPARATION_SECONDS (240), it prints one line that says
# why and ends with 75. Where it can and the Dockerfile does not build, it ends with 1 and says what the build said; else it ends as COMMAND does.
set -euo pipefail
cd "$(dirname "$0")/.."
export BASE_IMAGE=${BASE_IMAGE:-node:24-bookworm-slim}
PREPARATION_SECONDS=${DOCKER_PREPARATION_SECONDS:-240}
work=$(mktemp -d)
engine=

# What is left of the preparation's time: at least a second, at most what is asked for.
left() {
  local left=$((PREPARATION_SECONDS - SECONDS))
  [ "$left" -le "${1:-$left}" ] || left=$1
  echo $((left > 1 ? left : 1))
}

# Runs a command within what is left of the preparation's time.
bounded() { timeout "$(left)" "$@"; }

cleanup() {
  if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# One line on standard output: what there is none of, and the last thing that was said about it.
give_up() {
  local said=
  if [ -s "$work/log" ]; then said=$(grep -v '^\s*$' "$work/log" | tail -1 | tr -d '\033' | cut -c1-200); fi
  echo "not run: $1${said:+ ($said)}"
  exit 75
}

# Installs Debian packages whose command is missing: install COMMAND PACKAGE.
install() {
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  bounded apt-get update -qq >"$work/log" 2>&1 || return 1
  DEBIAN_FRONTEND=noninteractive bounded apt-get install -y -qq "$2" >"$work/log" 2>&1
}

start_engine() {
  docker info >/dev/null 2>&1 && return
  [ "$(id -u)" = 0 ] || give_up 'no Docker engine answers, and starting one needs root'
  { install dockerd docker.io && install iptables iptables; } || give_up 'Docker could not be installed'
  # Ports that nobody says more about are published on the loopback.
  dockerd --ip 127.0.0.1 >"$work/engine" 2>&1 </dev/null &
  engine=$!
  local until=$((SECONDS + $(left 60)))
  while [ "$SECONDS" -lt "$until" ]; do
    docker info >/dev/null 2>&1 && return
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.5
  done
  cp "$work/engine" "$work/log"
  give_up 'the Docker engine did not start'
}

# The image that the Dockerfile begins with: pulled, or made of a minimal Debian, the Node that npm's registry has, and npm.
base_image() {
  docker image inspect "$BASE_IMAGE" >/dev/null 2>&1 && return
  timeout "$(left 60)" docker pull -q "$BASE_IMAGE" >"$work/log" 2>&1 && return
  local major=${BASE_IMAGE##*node:}
  major=${major%%[!0-9]*}
  [ -n "$major" ] || give_up "$BASE_IMAGE could not be pulled"
  install debootstrap debootstrap || give_up "$BASE_IMAGE could not be pulled, and there is no debootstrap"
  make_base_image "$major" >"$work/log" 2>&1 || give_up "$BASE_IMAGE could neither be pulled nor made"
}

make_base_image() (
  set -e
  root=$work/root
  mirror=$(sed -nE 's/^(URIs: *|deb (\[[^]]*\] )?)(https?:\/\/[^ ]+).*/\3/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    sed -n '/security/d;p;q' || true)
  bounded debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$root" ${mirror:+"$mirror"}
  cd "$work"
  echo '{}' >package.json
  bounded npm install --no-audit --no-fund "node-linux-$(node -p process.arch)@$1"
  cp "node_modules/node-linux-$(node -p process.arch)/bin/node" "$root/usr/local/bin/node"
  bounded npm pack --silent npm@11 >/dev/null
  mkdir -p "$root/usr/local/lib/node_modules/npm"
  tar -xzf npm-11*.tgz -C "$root/usr/local/lib/node_modules/npm" --strip-components=1
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  chroot "$root" groupadd --gid 1000 node
  chroot "$root" useradd --uid 1000 --gid node --create-home node
  # What this machine trusts, so that npm in a build reaches the registry as npm here does.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$root/var/cache/apt" "$root/var/lib/apt/lists"
  tar -C "$root" -c . |
    docker import -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' -c 'CMD ["node"]' - "$BASE_IMAGE"
)

# The stages that download: once they are there the rest of the build needs no network. The builder without BuildKit shares its stages
# with whoever builds through the engine's interface.
libraries() {
  local status
  for stage in libraries toolchain; do
    status=0
    DOCKER_BUILDKIT=0 bounded docker build -q --build-arg BASE_IMAGE="$BASE_IMAGE" --target "$stage" . >"$work/log" 2>&1 || status=$?
    [ "$status" = 0 ] && continue
    # `timeout` ended it.
    [ "$status" != 124 ] || give_up "the stage '$stage' of the Dockerfile was not built within $PREPARATION_SECONDS s"
    downloads || give_up "the stage '$stage' of the Dockerfile could not be built, and containers do not reach npm's registry"
    echo "failed: the stage '$stage' of the Dockerfile could not be built"
    tail -30 "$work/log" >&2
    exit 1
  done
}

# Whether a container reaches the registry that a build needs: if so, a build that fails is the Dockerfile's fault.
downloads() {
  timeout 30 docker run --rm "$BASE_IMAGE" npm view npm version >/dev/null 2>&1
}

install docker docker.io || give_up 'there is no docker'
start_engine
base_image
libraries
status=0
"$@" || status=$?
exit "$status"
