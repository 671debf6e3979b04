#!/bin/sh
# Installs Docker Engine from the local cloud this file was fetched from:
#     curl -sSL @URL@/install.sh | sh
set -eu

url=@URL@
# Release, SHA256 and name of each package: those that Debian has signed, repacked.
all_packages='@PACKAGES@'
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
packages=$(echo "$all_packages" | sed -n "s/^$suite //p")

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

# All of it is one function, called at the very end: a script that was cut off on its way
# does nothing.
install_engine() {
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null || fail "not root, and there is no sudo"
        as_root=sudo
    fi
    [ "$(dpkg --print-architecture)" = @ARCHITECTURE@ ] ||
        fail "the packages are for @ARCHITECTURE@, this host is $(dpkg --print-architecture)"

    [ -n "$packages" ] ||
        fail "there are no packages here for $(. /etc/os-release && echo "$PRETTY_NAME")"
    # An install that was cut short left packages that are only unpacked: do it again.
    if command -v dockerd > /dev/null && [ -z "$(dpkg --audit)" ]; then
        echo "Docker Engine is installed already: $(dockerd --version)"
        $as_root systemctl start docker
        return
    fi

    folder=$(mktemp -d -p /var/tmp) # on the disk: in memory there may be no room
    trap 'rm -rf "$folder"' EXIT
    cd "$folder"
    echo "$packages" > SHA256SUMS

    echo "Downloading Docker Engine from $url"
    set --
    while read -r _ file; do
        set -- "$@" -o "$file" "$url/$file"
    done < SHA256SUMS
    # The mirror is near: a transfer that stands still is tried once more, and then given up.
    curl -fsS --fail-early --connect-timeout 10 --speed-limit 1 --speed-time 5 \
        --retry 3 --retry-max-time 20 "$@" || {
        [ $? != 23 ] || fail "a package cannot be written: No space left on device"
        fail "a package cannot be fetched from $url"
    }
    set --
    while read -r _ file; do
        set -- "$@" "./$file"
    done < SHA256SUMS
    if command -v openssl > /dev/null; then # it uses the processor's own SHA: 0.5 s less
        hashes=$(openssl dgst -sha256 -r "$@" | sed 's| \*\./|  |')
        [ "$hashes" = "$packages" ]
    else
        sha256sum --check --quiet SHA256SUMS
    fi || fail "a package is not the one that was expected"
    # Not confold's question, nor any other: what was configured before the install stays.
    $as_root env DEBIAN_FRONTEND=noninteractive \
        dpkg --install --force-confdef --force-confold "$@" > dpkg.log 2>&1 || {
        tail -n 20 dpkg.log >&2
        fail "dpkg could not install the packages"
    }
    echo "Installed: $(dockerd --version)"
}

install_engine
