#!/usr/bin/python3
"""Stands in for yum 3, which needs Python 2 and cannot be had here.

It takes yum 3's command line and refuses what only dnf knows, lets dnf do the work, and says what came of it in yum
3's words: the noise before everything else, tables wrapped at 80 columns, the saved transaction after a "no", its lock
messages, its codes, and marks of fresh metadata that a skipped repository does not get. What it imitates is known from
documentation, not measured.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

CACHE = '/var/cache/yum/x86_64/7'
# yum 3 writes to no log but when it installs.
DNF = ['/usr/bin/dnf-3', '--setopt=logdir=/var/cache/yum/log']
FLAGS = {'-y', '-C', '-q', '-v', '--assumeno', '--security', '--skip-broken', '--downloadonly', '--color=never'}
VALUES = ('--setopt=', '--exclude=', '--disablerepo=', '--enablerepo=', '--disableexcludes=', '--disableplugin=')
COMMANDS = {'clean', 'makecache', 'upgrade', 'repolist', 'updateinfo', 'check', 'reinstall'}
SECTIONS = {
    'Upgrading:': 'Updating:',
    'Installing dependencies:': 'Installing for dependencies:',
    'Skipping packages with broken dependencies:': 'Skipped (dependency problems):',
    'Skipping packages with conflicts:': 'Skipped (dependency problems):',
}


def parse(arguments):
    options, words = [], []
    for argument in arguments:
        if not argument.startswith('-'):
            words.append(argument)
        elif argument in FLAGS or argument.startswith(VALUES):
            options.append(argument)
        else:
            print('Usage: yum [options] COMMAND\n', file=sys.stderr)
            print(f'Command line error: no such option: {argument}', file=sys.stderr)
            sys.exit(1)
    if not words or words[0] not in COMMANDS:
        print(f'No such command: {words[0] if words else ""}. Please use /usr/bin/yum --help')
        sys.exit(1)
    return options, words


def dnf(options, words):
    # A repository's own options cannot be set with a pattern.
    kept = [option for option in options if not option.startswith('--setopt=*.')]
    result = subprocess.run([*DNF, *kept, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    locked = re.search(r'already locked by (\d+)', result.stdout + result.stderr)
    if locked:
        print(f'Existing lock /var/run/yum.pid: another copy is running as pid {locked[1]}.')
        print('Another app is currently holding the yum lock; exiting as configured by exit_on_lock')
        sys.exit(1)
    if 'There are no enabled repositories' in result.stdout + result.stderr:
        print('There are no enabled repos.\n Run "yum repolist all" to see the repos you have.')
        sys.exit(1)
    return result


def columns(fields):
    """A value that is too long for its column is followed by the rest of its row on the next line."""
    text, width = ' ', 1
    for value, room in zip(fields, (23, 8, 13, 11)):
        text += value.ljust(room) + ' ' if len(value) <= room else f'{value}\n' + ' ' * (width + room + 1)
        width += room + 1
    return text + fields[4].rjust(6)


def table(line):
    if line in SECTIONS:
        return SECTIONS[line]
    fields = re.fullmatch(r' (\S+) +(\S+) +(\S+) +(\S+) +(\S.*?) *', line)
    if fields and fields[1] != 'Package':
        return columns(fields.groups())
    return '=' * 80 if line.startswith('===') else line


def translated(result, told):
    inside = False
    for line in result.stdout.splitlines():
        if line == 'Dependencies resolved.':
            inside = True
            print('Resolving Dependencies\n--> Running transaction check\n--> Finished Dependency Resolution')
            if 'Nothing to do.' not in result.stdout:
                print('\nDependencies Resolved\n')
        elif line == 'Nothing to do.':
            print('No packages marked for update')
            return
        elif line == 'Transaction Summary':
            inside = False
            print(f'\n{line}')
        elif line.startswith(('Last metadata', 'DNF will only', '[FAILED]', '[MIRROR]')):
            continue
        else:
            print(table(line) if inside else line)
    if 'Operation aborted.' in result.stderr:
        saved = f'/tmp/yum_save_tx.2026-11-20.12-00.{os.getpid()}.yumtx'
        with open(saved, 'w', encoding='utf-8') as file:
            file.write('transaction\n')
        print(f'Exiting on user command\nYour transaction was saved, rerun it with:\n yum load-transaction {saved}')
    elif told:
        print(told, file=sys.stderr)


def failure(result):
    """What yum 3 says about dnf's errors."""
    said = result.stderr
    lost = re.findall(r'^  (\S+): (Download failed|Cannot download).*$', said, re.M)
    if 'Curl error (23)' in said:
        return f'Insufficient space in download directory {CACHE}/packages\n    * free   1.9 M\n    * needed 5.9 M'
    if lost:
        lines = [f'  {name}: [Errno 256] No more mirrors to try.' for name, _ in lost]
        return '\n'.join(['\n\nError downloading packages:', *lines])
    if 'No packages marked for upgrade' in said:
        print('No packages marked for update')
        return ''
    return said.strip()


def identifiers():
    result = subprocess.run([*DNF, '-q', '-C', 'repolist', '--enabled'], capture_output=True, text=True)
    return [line.split()[0] for line in result.stdout.splitlines()[1:]]


def refreshed(options, words):
    if words[1:] != ['fast']:
        sys.exit(f'The stand-in knows "makecache fast" only, not {words}.')
    result = dnf([*options, '--refresh'], ['makecache'])
    ignored = re.findall(r'^Ignoring repositories: (.*)$', result.stdout + result.stderr, re.M)
    skipped = ignored[0].split(', ') if ignored else []
    for name, reason in re.findall(r"Failed to download metadata for repo '([^']+)': (.*)", result.stdout + result.stderr):
        print(f'http://localhost/repodata/repomd.xml: [Errno 14] {reason}\nTrying other mirror.')
        if name not in skipped:
            print(f'\n\nfailure: repodata/repomd.xml from {name}: [Errno 256] No more mirrors to try.', file=sys.stderr)
    if result.returncode == 0:
        for name in identifiers():
            folder = f'{CACHE}/{name}'
            os.makedirs(folder, exist_ok=True)
            if name in skipped:
                continue
            open(f'{folder}/cachecookie', 'w', encoding='utf-8').close()
            for index in glob.glob(f'/var/cache/*/{name}-{"[0-9a-f]" * 16}/repodata/repomd.xml'):
                shutil.copy(index, folder)
        print('Metadata Cache Created')
    elif 'Failed to download metadata' not in result.stderr:
        print(result.stderr, file=sys.stderr)
    sys.exit(1 if result.returncode else 0)


def main():
    if sys.argv[1:] and sys.argv[-1] == '--version':
        print('3.4.3\n  Installed: rpm-4.11.3-48.el7_9.x86_64 at 2021-11-25 09:18')
        return
    options, words = parse(sys.argv[1:])
    if '-q' not in options:
        print('Loaded plugins: fastestmirror, langpacks, product-id, search-disabled-repos, versionlock', flush=True)
    if words[0] == 'makecache':
        refreshed(options, words)
    if words[0] == 'clean':
        dnf(options, words)
        for folder, _, files in os.walk(CACHE):
            if 'cachecookie' in files:
                os.remove(f'{folder}/cachecookie')
        print(f'Cleaning repos: {" ".join(identifiers())}\n0 metadata files removed')
        return
    result = dnf(options, words)
    if words[0] in ('upgrade', 'reinstall'):
        told = failure(result) if result.returncode else ''
        translated(result, told or result.stderr.strip())
        sys.exit(1 if told else 0)
    if words[0] == 'check':
        for line in result.stdout.splitlines():
            pair = re.fullmatch(r'(.*) is a duplicate with (.*)', line)
            print(f'{before(pair[2])} is a duplicate with {before(pair[1])}' if pair else line)
        sys.exit(1 if result.returncode else 0)
    for line in result.stdout.splitlines():
        if not line.startswith(('cachedir:', 'DNF version:', 'Loaded plugins:')):
            print(line)
    print(result.stderr, end='', file=sys.stderr)
    sys.exit(1 if result.returncode else 0)


def before(package):
    """yum 3 writes an epoch before the name."""
    return re.sub(r'^(.*)-(\d+):([^-]+-[^-]+)$', r'\2:\1-\3', package)


main()
