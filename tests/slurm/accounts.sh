#!/usr/bin/env bash
# Makes accounts compulsory on the Slurm that start.sh has started: a database, slurmdbd, and
# slurmctld again with enforced associations. Two accounts: root's default one, `closed`, may only use
# the partition `training`; `lab` may use all.
set -euo pipefail
LAB=/var/lib/ldm-scaling-slurm
HOST=$(hostname -s)
SOCKET=$LAB/run/mysql/socket

await() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; echo "in vain: $*" >&2; exit 1; }
sql() { mariadb --no-defaults --socket="$SOCKET" --user=root --execute="$1"; }
manage() { sacctmgr --immediate "$@" </dev/null >/dev/null; }

# ---- database
install -d -o mysql -g mysql "$LAB/mysql" "$LAB/run/mysql"
mariadb-install-db --no-defaults --user=mysql --datadir="$LAB/mysql" --skip-test-db \
  --auth-root-authentication-method=normal >"$LAB/log/mariadbd.log" 2>&1
setsid mariadbd --no-defaults --user=mysql --datadir="$LAB/mysql" --socket="$SOCKET" \
  --pid-file="$LAB/run/mysql/pid" --bind-address=127.0.0.1 --port=13306 \
  >>"$LAB/log/mariadbd.log" 2>&1 </dev/null &
echo $! >"$LAB/run/mariadbd.pid"
await sql "SELECT 1"
sql "CREATE DATABASE slurm_acct_db; CREATE USER slurm@127.0.0.1 IDENTIFIED BY 'slurm';
  GRANT ALL ON slurm_acct_db.* TO slurm@127.0.0.1"

# ---- slurmdbd; it wants its password in a file that only root reads
(umask 077; cat >"$LAB/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$LAB/run/munge.socket
DbdHost=$HOST
DbdAddr=127.0.0.1
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=13306
StorageUser=slurm
StoragePass=slurm
LogFile=$LAB/log/slurmdbd.log
PidFile=$LAB/run/slurmdbd.pid
CONF
)
ln -sfn "$LAB/slurmdbd.conf" /etc/slurm/slurmdbd.conf
cat >>"$LAB/slurm.conf" <<CONF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$HOST
AccountingStoragePass=$LAB/run/munge.socket
AccountingStorageEnforce=associations
CONF
slurmdbd
await timeout 5 sacctmgr --noheader show cluster

# ---- accounts. sacctmgr makes root a member of the account root; that one goes.
manage add cluster ldm-scaling
manage add account closed,lab cluster=ldm-scaling
manage add user root account=closed partition=training
manage add user root account=lab
manage modify user root set defaultaccount=closed
manage delete user root account=root

# ---- slurmctld again; slurmd registers with it
pid=$(cat "$LAB/run/slurmctld.pid")
kill "$pid"
await sh -c "! grep . /proc/$pid/cmdline" # a dead process has none
slurmctld
kill -HUP "$(cat "$LAB/run/slurmd.pid")"
await sh -c "timeout 3 sinfo --noheader --partition main --format %T | grep -qx idle"
