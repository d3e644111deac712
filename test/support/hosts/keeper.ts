/** What mounts a box, holds it, and clears it away: a script of sh in a mount namespace of its own. */

// $1: a folder of ours; $2: the lower folders; $3: the file whose lock keeps them in place, or nothing; $4: a layer to
// begin with, or nothing; $5: more lines; the rest: paths of the machine that must be visible inside.
export const KEEPER = `
set -e
folder=$1 lower=$2 lock=$3 layer=$4 lines=$5
shift 5
if [ -n "$lock" ]; then exec 9<"$lock"; flock --shared 9; fi
mkdir "$folder/mounted"
mount -t tmpfs -o mode=755 tmpfs "$folder/mounted"
cd "$folder/mounted"
mkdir upper work root
if [ -n "$layer" ]; then cp --archive "$layer/." upper; fi
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$PWD/upper,workdir=$PWD/work" root
mount -t proc proc root/proc
mount --rbind /dev root/dev
for path in "$@"; do
  if [ -d "$path" ]; then mkdir -p "root$path"; else mkdir -p "root\${path%/*}"; : >>"root$path"; fi
  mount --bind "$path" "root$path"
  mount -o remount,bind,ro "root$path"
done
eval "$lines"
echo ready
read -r end || true
own=$(readlink /proc/self/ns/mnt)
for pass in 1 2 3; do
  for process in /proc/[0-9]*; do
    [ "$process" != "/proc/$$" ] || continue
    [ "$(readlink "$process/ns/mnt")" != "$own" ] || kill -KILL "\${process#/proc/}" 2>/dev/null || true
  done
done
cd /
umount --lazy "$folder/mounted"
rm -rf --one-file-system "$folder"
`
