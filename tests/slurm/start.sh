#!/usr/bin/env bash
# Starts a Slurm of one node on this machine, for the tests in this folder: munged, slurmctld, slurmd,
# two pretended GPUs, no accounts (accounts.sh adds them). Installs Debian's packages if they are
# missing; needs root. Where it runs already, it does nothing.
# Exit code 77, with the reason: not possible here.
set -euo pipefail
LAB=/var/lib/ldm-scaling-slurm
HOST=$(hostname -s)

cannot() { echo "$1"; exit 77; }
running() { [ -s "$LAB/run/$1.pid" ] && [ "$(cat "/proc/$(cat "$LAB/run/$1.pid")/comm" 2>/dev/null)" = "$1" ]; }

[ "$(id -u)" = 0 ] || cannot "no Slurm: only root can install and start one"
command -v apt-get >/dev/null || cannot "no Slurm: its packages need Debian or Ubuntu"
getent hosts "$HOST" >/dev/null || cannot "no Slurm: the host name $HOST does not resolve"
if [ -e /etc/slurm/slurm.conf ] && [ "$(readlink /etc/slurm/slurm.conf)" != "$LAB/slurm.conf" ]; then
  cannot "no Slurm for tests: this machine has one of its own (/etc/slurm/slurm.conf)"
fi

# ---- packages; policy-rc.d keeps them from starting services
missing=()
for package in munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins \
  slurmdbd slurm-wlm-mysql-plugin mariadb-server; do
  dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
  fi
  apt-get -qq update >/dev/null 2>&1 || true # the installation says whether it mattered
  apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
    cannot "no Slurm: apt-get cannot install ${missing[*]}"
fi

running slurmctld && running slurmd && exit 0

"$(dirname "$0")/stop.sh" # what is left of one that broke

# ---- configuration
rm -rf "$LAB"
mkdir -p "$LAB"/{run,log,state,spool,dev}
# Pretended GPUs must be character devices, or jobs get no CUDA_VISIBLE_DEVICES: copies of /dev/null.
for gpu in 0 1; do
  mknod "$LAB/dev/gpu$gpu" c 1 3 || cannot "no Slurm for tests: mknod is not permitted here"
  echo "NodeName=$HOST Name=gpu File=$LAB/dev/gpu$gpu" >>"$LAB/gres.conf"
done
cat >"$LAB/slurm.conf" <<CONF
ClusterName=ldm-scaling
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# cred_expire: seconds until a requeued job may start again (default 120)
AuthInfo=socket=$LAB/run/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$LAB/state
SlurmdSpoolDir=$LAB/spool
SlurmctldPidFile=$LAB/run/slurmctld.pid
SlurmdPidFile=$LAB/run/slurmd.pid
SlurmctldLogFile=$LAB/log/slurmctld.log
SlurmdLogFile=$LAB/log/slurmd.log
# no cgroups: memory is allotted, not enforced
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
# squeue must know finished jobs for longer than three status checks of Snakemake
MinJobAge=900
# seconds from SIGTERM to SIGKILL
KillWait=5
ReturnToService=2
GresTypes=gpu
MailProg=/bin/true
# the node may claim more than the machine has, so that every machine can run the same tests
SlurmdParameters=config_overrides
NodeName=$HOST NodeAddr=127.0.0.1 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 CPUs=4 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=other Nodes=$HOST Default=YES MaxTime=INFINITE State=UP
PartitionName=main Nodes=$HOST MaxTime=INFINITE State=UP
PartitionName=training Nodes=$HOST MaxTime=INFINITE State=UP
CONF
# Not by SLURM_CONF: Snakemake's plugin takes SLURM_* out of the environment of the steps of a job.
mkdir -p /etc/slurm
ln -sfn "$LAB/slurm.conf" /etc/slurm/slurm.conf
ln -sfn "$LAB/gres.conf" /etc/slurm/gres.conf

# ---- daemons; munged with a key and a socket of its own
(umask 077; head -c 128 /dev/urandom >"$LAB/munge.key")
munged --key-file="$LAB/munge.key" --socket="$LAB/run/munge.socket" --pid-file="$LAB/run/munged.pid" \
  --log-file="$LAB/log/munged.log" --seed-file="$LAB/munge.seed"
slurmctld
slurmd -N "$HOST"
for _ in $(seq 100); do
  # bounded: a client whose controller is down tries for ten seconds
  [ "$(timeout 3 sinfo --noheader --partition main --format %T 2>/dev/null)" = idle ] && exit 0
  sleep 0.2
done
echo "Slurm did not start:" >&2
tail -n 5 "$LAB"/log/*.log >&2
exit 1
