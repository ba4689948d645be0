# What the scripts beside this file share. Every name can be set in the environment.
set -eu

: "${NOS_PROJECT:=$(gcloud config get-value project 2>/dev/null)}"
: "${NOS_ZONE:=europe-west1-b}"
: "${NOS_BUCKET:=$NOS_PROJECT-nos-images}"
: "${NOS_IMAGE:=nos}"
: "${NOS_TEMPLATE:=nos}"
: "${NOS_INSTANCE:=nos}"
: "${NOS_NETWORK:=nos}"
: "${NOS_MACHINE_TYPE:=e2-small}"

if [ -z "$NOS_PROJECT" ]; then
    echo "set NOS_PROJECT, or run: gcloud config set project PROJECT" >&2
    exit 2
fi

# is_there KIND NAME [OPTION...] - does that resource of Compute Engine exist?
is_there() {
    kind=$1 name=$2
    shift 2
    gcloud compute "$kind" describe "$name" --project="$NOS_PROJECT" "$@" >/dev/null 2>&1
}
