#!/bin/sh
# Two lives of a process server against a running configuration server. Only curl, sh, sed, grep (and date/sleep).
# Usage: start with small settings (docs/settings.md, "Short leases"), then: CS=http://127.0.0.1:8080 DATA=.data sh test/smoke-test.sh
CS=${CS:?} DATA=${DATA:?}
PASSPHRASE=$(cat "$DATA/connection.passphrase") KEY=$(cat "$DATA/admin.key")
A=aaaaaaaa-9a4d-4c3b-8e6f-0a1b2c3d4e5f
B=bbbbbbbb-9a4d-4c3b-8e6f-0a1b2c3d4e5f
BEGAN=$(date +%s) FAILED=0

# call METHOD PATH CREDENTIALS [BODY]: sets STATUS and BODY
call() {
  if [ -n "$4" ]; then
    OUT=$(curl -s -m 10 -w '\n%{http_code}' -X "$1" "$CS$2" -H "Authorization: $3" -H 'Content-Type: application/json' -d "$4")
  else
    OUT=$(curl -s -m 10 -w '\n%{http_code}' -X "$1" "$CS$2" -H "Authorization: $3")
  fi
  STATUS=$(printf '%s\n' "$OUT" | sed -n '$p')
  BODY=$(printf '%s\n' "$OUT" | sed '$d')
}
# expect NAME STATUS [PATTERN]: judges the last call
expect() {
  if [ "$STATUS" = "$2" ] && printf '%s' "$BODY" | grep -q -e "${3:-}"; then
    echo "PASS  $(( $(date +%s) - BEGAN ))s  $1 ($STATUS)"
  else
    FAILED=$((FAILED + 1)); echo "FAIL  $(( $(date +%s) - BEGAN ))s  $1: wanted $2 ${3:-}, got $STATUS $BODY"
  fi
}
field() { printf '%s' "$BODY" | sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p'; }
register() { call PUT "/v1/process-servers/$1" "Passphrase $PASSPHRASE" '{
  "friendlyName": "'"$2"'", "ipAddress": "'"$3"'", "osType": "Windows", "osVersion": "Server 2022",
  "agentVersion": "1.0.0.0", "machineId": "'"$2"'", "environment": "VMware",
  "cpuCores": 8, "memoryBytes": 17179869184, "cacheDiskBytes": 644245094400 }'; }
heartbeat() { call POST "/v1/process-servers/$1/heartbeats" "Bearer $2" '{ "generation": '"$3"', "agentVersion": "1.0.0.0", "protectedMachineCount": 0 }'; }

echo '--- A: decommissioned by itself'
register $A ps-a 192.0.2.21; CA=$(field credential) GA=$(field generation)
expect 'A registers' 201 '"credential":"psc_'
for n in 1 2 3; do [ $n = 1 ] || sleep 1; heartbeat $A "$CA" "$GA"; expect "A heartbeat $n" 200 '"instruction":"none"'; done
call DELETE /v1/process-servers/$A "Bearer $CA"; expect 'A decommissions itself' 202 '"state":"Decommissioned"'
n=0; while :; do call GET /v1/process-servers/$A "Bearer $KEY"; [ "$STATUS" = 404 ] && break; n=$((n + 1)); [ $n -ge 60 ] && break; sleep 0.5; done
expect 'A is gone' 404 '"code":"process_server_not_found"'
heartbeat $A "$CA" "$GA"; expect 'A late heartbeat' 410 '"instruction":"stop"'

echo '--- B: falls silent, is purged'
register $B ps-b 192.0.2.22; CB=$(field credential) GB=$(field generation)
expect 'B registers' 201 '"credential":"psc_'
heartbeat $B "$CB" "$GB"; expect 'B heartbeat' 200 '"instruction":"none"'
call GET /v1/process-servers/$B "Bearer $KEY"; expect 'B is Connected' 200 '"connectionState":"Connected"'
n=0; while :; do call GET /v1/process-servers/$B "Bearer $KEY"; printf '%s' "$BODY" | grep -q '"connectionState":"Disconnected"' && break; n=$((n + 1)); [ $n -ge 60 ] && break; sleep 0.5; done
expect 'B is Disconnected after silence' 200 '"connectionState":"Disconnected"'
call POST /v1/process-servers/$B/purge "Bearer $KEY" '{ "generation": '"$GB"', "reason": "machine was scrapped" }'
expect 'B is purged' 200 '"purgedAt":"'
heartbeat $B "$CB" "$GB"; expect 'B late heartbeat' 410 '"instruction":"ask_operator"'
call GET /v1/process-servers/$B/events "Bearer $KEY"; expect 'B events: registered ... purged' 200 '"kind":"registered".*"kind":"purged".*"reason":"machine was scrapped"'
echo "      B's events: $(printf '%s' "$BODY" | grep -o '"kind":"[^"]*"' | sed 's/"kind":"\(.*\)"/\1/' | tr '\n' ' ')"

TOOK=$(( $(date +%s) - BEGAN ))
[ $TOOK -lt 60 ] && echo "PASS  total $TOOK s (under 60)" || { FAILED=$((FAILED + 1)); echo "FAIL  total $TOOK s (60 or more)"; }
echo "$FAILED failed"; [ $FAILED = 0 ]
