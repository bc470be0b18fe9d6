#!/bin/bash
# Waits until Auto Scaling wants to terminate this host, stops es-migrate, and lets it.
#
# The host asks its own metadata service, so nobody has to tell it: no function, no queue. What fails here ends it with 1; its
# unit starts it again, and it goes on where it was, since the host still waits to be terminated.
set -euo pipefail

: "${AUTO_SCALING_GROUP:?is not set}" "${LIFECYCLE_HOOK:?is not set}"
readonly metadata=${METADATA_ENDPOINT:-http://169.254.169.254}
readonly poll_seconds=${POLL_SECONDS:-5}

# Prints one item; fails where there is none, as there is no target state before the host is in service.
item() {
  local token
  token=$(curl --silent --fail --max-time 5 --request PUT \
    --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/latest/api/token") || return
  curl --silent --fail --max-time 5 \
    --header "X-aws-ec2-metadata-token: $token" "$metadata/latest/meta-data/$1"
}

until [[ "$(item autoscaling/target-lifecycle-state || true)" == Terminated ]]; do
  sleep "$poll_seconds"
done

echo 'Auto Scaling is about to terminate this host: stopping es-migrate'
# Returns when batches in flight have ended or were given back, at the latest after TimeoutStopSec of their unit. Where it
# fails the host goes all the same: leases run out by themselves.
systemctl stop es-migrate-extract.timer es-migrate-extract.service es-migrate-process.service ||
  echo 'es-migrate could not be stopped; what it holds is taken over when its leases have run out' >&2

instance=$(item instance-id)
region=$(item placement/region)
aws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE \
  --region "$region" --auto-scaling-group-name "$AUTO_SCALING_GROUP" \
  --lifecycle-hook-name "$LIFECYCLE_HOOK" --instance-id "$instance"
echo "told $AUTO_SCALING_GROUP that $instance may go"
