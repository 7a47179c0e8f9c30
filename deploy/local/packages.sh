#!/bin/sh
# Have what `make up|demo|test|bench` needs from Debian: installed as root, else the one line to run is printed.
set -eu

purpose=$1
cache=${FJ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/filmjacket}
needed=""
wished=""

has() { command -v "$1" >/dev/null 2>&1; }

if ! has uv && ! [ -x .tools/bin/uv ]; then
	has python3 && python3 -c 'import ensurepip' 2>/dev/null || needed="$needed python3-venv"
fi
if ! has mvn && ! ls -d "$cache"/kafka-*/lib >/dev/null 2>&1; then needed="$needed maven"; fi
case "$purpose" in test | bench)
	has storescu || needed="$needed dcmtk"
	has Orthanc || needed="$needed orthanc"
	;;
esac
# A browser for the viewer's tests.
if [ "$purpose" = test ]; then has chromium || needed="$needed chromium"; fi
# Clocks that jump.
if [ "$purpose" = test ]; then ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || needed="$needed libfaketime"; fi
if [ "$purpose" = bench ]; then
	[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || needed="$needed orthanc-dicomweb"
	[ -e /usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so ] || needed="$needed orthanc-postgresql"
fi
# The viewer is fetched with it; without it there is none.
if ! has npm && ! ls -d "$cache"/app-ohif-* >/dev/null 2>&1; then wished=" npm"; fi

[ -n "$needed$wished" ] || exit 0
if [ "$(id -u)" = 0 ] && has apt-get; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q </dev/null
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y -q --no-install-recommends $needed $wished </dev/null
	# Its package starts it, for everybody to reach; tests and the benchmark start their own.
	case "$needed" in *orthanc*) service orthanc stop && update-rc.d orthanc disable ;; esac
elif [ -n "$needed" ]; then
	echo "Filmjacket needs these packages: sudo apt-get install -y$needed$wished" >&2
	exit 1
fi
