#!/usr/bin/env bash
# Stops what start.sh and accounts.sh started, each process by its own id. Packages and logs stay.
set -u
LAB=/var/lib/ldm-scaling-slurm

# nothing of their state is kept, so that there is nothing to write before they end
stop() {
  local file=$LAB/run/$1.pid pid
  [ -s "$file" ] && pid=$(cat "$file") || return 0
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || return 0
  kill -9 "$pid"
  # a dead process has no command line, even before it is reaped
  for _ in $(seq 100); do grep -q . "/proc/$pid/cmdline" 2>/dev/null || return 0; sleep 0.1; done
}

# jobs first: their processes would outlive slurmd
if [ "$(readlink /etc/slurm/slurm.conf)" = "$LAB/slurm.conf" ] && timeout 5 scancel --user=root --full 2>/dev/null; then
  for _ in $(seq 50); do [ -z "$(timeout 5 squeue --noheader)" ] && break; sleep 0.2; done
fi
for daemon in slurmd slurmctld slurmdbd mariadbd munged; do stop $daemon; done
# With a configuration whose controller is gone, every call of Slurm and of Snakemake waits 10 s for it.
for name in slurm gres slurmdbd; do
  [ "$(readlink /etc/slurm/$name.conf)" = "$LAB/$name.conf" ] && rm "/etc/slurm/$name.conf"
done
rm -rf "$LAB"/{run,state,spool,dev,mysql,munge.key,slurmdbd.conf}
exit 0
