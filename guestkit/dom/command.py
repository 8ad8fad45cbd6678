"""`guestkit dom`: the commands, most of which are clients of the control socket."""
import argparse
import json
import os
import subprocess
import sys
import time

from guestkit.arguments import Parser
from guestkit.dom import configuration as configurations
from guestkit.dom.protocol import Client, NotRunning, usual_path
from guestkit.errors import BadInput, GuestkitError

STARTING = 20                   # seconds that a hypervisor may take to answer
EXAMPLES = '''
Domain is the name or the number of a domain. The first create starts a hypervisor in the background, if none answers at the socket.

Examples
  guestkit dom create web.toml              makes a domain and starts it; guestkit dom create --help shows what the file has
  guestkit dom create web.toml memory=64 -c with more memory, and its console on this terminal
  guestkit dom list
  guestkit dom console web                  Ctrl-A x leaves
  guestkit dom pause web; guestkit dom unpause web
  guestkit dom sched web --weight 512       twice the usual share
  guestkit dom save web web.saved; guestkit dom restore web.saved
  guestkit dom migrate web other.sock       to the hypervisor of another guestkit dom --socket other.sock start
  guestkit dom destroy web
  guestkit dom stop                         ends the hypervisor with all its domains

The socket is --socket, or $GUESTKIT_SOCKET, or guestkit/control.sock in $XDG_RUNTIME_DIR or ~/.cache. It takes the same commands as JSON, an object a
line; docs/domains.md says more.
'''
FILE = '''
FILE is TOML, with the names that xl knows:
  name = "web"                   if not given, that of the file
  kernel = "kernel-para.elf"     paths are from where the file is
  ramdisk = "archive.img"
  memory = 32                    MB, or a text like "1200K"
  extra = "quiet"                the command line; cmdline is the same
  type = "pv"                    pv (the default) or hvm; hvm has mmu = "vtlb" or "ept"
  interface = "1.2"              pv: the version of the interface, 1.0 if not given
  privileged = true              pv: the domain may control others
  disk = ["disk.img,ro"]         as run --disk has it
  vif = ["domains"]              as run --net has it, such as ["user,ip=10.0.2.40,forward=tcp:8080-80"]
  cpu_weight = 256               its share of the processor beside others
  [sched]                        weight, warp, warp_limit, unwarp of Borrowed Virtual Time
  on_poweroff = "destroy"        destroy, preserve or restart; on_crash and on_reboot ("restart" if not given) likewise
'''
SCHED = '''
Without settings it shows them, of all domains or of one. TIME is machine time, like 500us, 2ms or 1s. Settings hold from now on, and go with a domain that is saved or
migrated. Under rr no domain has settings of its own.

Examples
  guestkit dom sched
  guestkit dom sched web --weight 512
  guestkit dom sched web --warp 5ms --warp-limit 1ms --unwarp 20ms
  guestkit dom sched --policy rr --allowance 2ms
'''


def parser():
    parser = Parser(prog='guestkit dom', description='Domains that come and go under a hypervisor in the background.', epilog=EXAMPLES,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--socket', metavar='PATH', help='the control socket of the hypervisor')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True, parser_class=Parser)

    def add(name, help, **more):
        return commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + '.', **more)

    start = add('start', 'starts a hypervisor without domains')
    start.add_argument('--memory', default='512M', metavar='SIZE', help='what all domains together can have (default 512M)')
    start.add_argument('--cpu', metavar='MODEL', help='the processor; guestkit run --cpu help lists them')
    start.add_argument('--scheduler', choices=('bvt', 'rr'), help='which domain runs: Borrowed Virtual Time, or in turn')
    start.add_argument('--foreground', action='store_true', help='stays in the foreground until Ctrl-C')
    start.add_argument('--fast', action='store_true', help='machine time does not keep to the clock on the wall: idle time passes at once')
    add('stop', 'ends the hypervisor with all its domains')
    create = add('create', 'makes a domain and starts it', epilog=FILE, formatter_class=argparse.RawDescriptionHelpFormatter)
    create.add_argument('file', metavar='FILE', help='its configuration')
    create.add_argument('changes', nargs='*', default=[], metavar='NAME=VALUE', help='in place of what the file has')
    create.add_argument('-p', '--paused', action='store_true', help='leaves it paused')
    create.add_argument('-c', '--console', action='store_true', help='attaches this terminal to its console')
    listing = add('list', 'shows the domains')
    listing.add_argument('domain', nargs='?', metavar='DOMAIN')
    listing.add_argument('--json', action='store_true', help='all that is known of them, as JSON')
    for name, help in (('console', 'attaches this terminal to the console of a domain; Ctrl-A x leaves'), ('pause', 'a domain does not run until unpause'),
                       ('unpause', 'a paused domain runs again'), ('shutdown', 'asks a guest to end'), ('destroy', 'ends a domain at once')):
        add(name, help).add_argument('domain', metavar='DOMAIN')
    save = add('save', 'puts a domain into a file, and ends it')
    save.add_argument('domain', metavar='DOMAIN')
    save.add_argument('file', metavar='FILE')
    save.add_argument('-c', '--leave', action='store_true', help='the domain runs on')
    restore = add('restore', 'makes the domain of a file go on')
    restore.add_argument('file', metavar='FILE')
    restore.add_argument('-p', '--paused', action='store_true', help='leaves it paused')
    migrate = add('migrate', 'moves a domain to another hypervisor while it runs')
    migrate.add_argument('domain', metavar='DOMAIN')
    migrate.add_argument('to', metavar='SOCKET', help='the control socket of the other hypervisor')
    sched = add('sched', 'shows and sets which domain runs when', epilog=SCHED, formatter_class=argparse.RawDescriptionHelpFormatter)
    sched.add_argument('domain', nargs='?', metavar='DOMAIN', help='of this one only')
    sched.add_argument('-d', '--domain', dest='named', metavar='DOMAIN', help='the same, as xl has it')
    sched.add_argument('-w', '--weight', type=int, metavar='N', help='its share beside others, from 1 to 2560; 256 if nothing was said')
    sched.add_argument('--warp', metavar='TIME', help='it comes before others when it wakes, borrowing so much of its own future share')
    sched.add_argument('--warp-limit', metavar='TIME', help='for so long at a time; 0s for no limit')
    sched.add_argument('--unwarp', metavar='TIME', help='and then not for so long; 0s: until it next wakes')
    sched.add_argument('--policy', metavar='bvt|rr', help='of all domains: Borrowed Virtual Time, or in turn')
    sched.add_argument('--allowance', metavar='TIME', help='how long a domain may run on beside another with as good a claim; for rr the length of a turn')
    sched.add_argument('--json', action='store_true', help='shows it as JSON')
    top = add('top', 'shows live what the domains use')
    top.add_argument('-d', '--delay', type=float, default=1.0, metavar='SECONDS', help='between two looks (default 1)')
    top.add_argument('-n', '--rounds', type=int, metavar='N', help='ends after so many')
    return parser


def dom(words):
    """The command; returns the exit status."""
    options = parser().parse_args(words)
    return HANDLERS[options.command](options)


def connect(options):
    return Client(options.socket)


def start(options):
    if options.foreground:
        from guestkit.dom.hypervisor import Hypervisor
        from guestkit.dom.server import Server
        path = options.socket or usual_path()
        with Hypervisor(options.memory, options.cpu, not options.fast, options.scheduler) as hypervisor:
            server = Server(hypervisor, path)
            print(f'guestkit: serves {path}; Ctrl-C ends it', file=sys.stderr, flush=True)
            server.serve()
        return 0
    try:
        connect(options).close()
    except NotRunning:
        pass
    else:
        raise BadInput(f'{options.socket or usual_path()}: a hypervisor serves it already; guestkit dom stop ends it')
    words = ['--memory', options.memory]
    for name in ('cpu', 'scheduler'):
        if getattr(options, name):
            words += ['--' + name, getattr(options, name)]
    start_in_background(options, words + (['--fast'] if options.fast else []))
    return 0


def start_in_background(options, words=()):
    """Returns when the hypervisor answers; raises GuestkitError with what it said if it does not."""
    socket = ['--socket', str(options.socket)] if options.socket else []
    child = subprocess.Popen([sys.executable, '-m', 'guestkit', 'dom', *socket, 'start', '--foreground', *words], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, env={**os.environ, 'PYTHONPATH': search_path()})
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        if child.poll() is not None:
            said = child.stderr.read().decode(errors='replace').strip().splitlines()
            raise GuestkitError(said[-1].removeprefix('guestkit: ') if said else 'the hypervisor did not start')
        try:
            connect(options).close()
        except NotRunning:
            time.sleep(0.02)
        else:
            return
    child.terminate()
    raise GuestkitError('the hypervisor does not answer; start it in a terminal with guestkit dom start --foreground to see why')


def search_path():
    """PYTHONPATH by which the child finds this package, from wherever it is run."""
    import guestkit
    root = os.path.dirname(os.path.dirname(os.path.abspath(guestkit.__file__)))
    return os.pathsep.join([root] + [path for path in [os.environ.get('PYTHONPATH')] if path])


def stop(options):
    with connect(options) as client:
        client.call('stop')
    return 0


def create(options):
    configuration = configurations.read(options.file, options.changes)
    try:
        client = connect(options)
    except NotRunning:
        start_in_background(options)
        client = connect(options)
    with client:
        made = client.call('create', config=configuration, paused=options.paused)
        if options.console:
            return attach(client, made['domain'])
    print(f'{made["name"]}: domain {made["domain"]}')
    return 0


def attach(client, which):
    from guestkit.dom.console import attach
    return attach(client, which)


def console(options):
    with connect(options) as client:
        return attach(client, options.domain)


def list_domains(options):
    from guestkit.dom.show import listing
    with connect(options) as client:
        answer = client.call('list', **({'domain': options.domain} if options.domain else {}))
    print(json.dumps(answer['domains'], indent=2) if options.json else listing(answer))
    return 0


def on_domain(options):
    """The commands that are told a domain and no more."""
    with connect(options) as client:
        client.call(options.command, domain=options.domain)
    return 0


def save(options):
    with connect(options) as client:
        client.call('save', domain=options.domain, file=os.path.abspath(options.file), leave=options.leave)
    return 0


def restore(options):
    try:
        open(options.file, 'rb').close()        # says it before a hypervisor is started for it
    except OSError as error:
        raise BadInput(f'{options.file}: cannot be read ({error.strerror}); give the path of a saved domain') from None
    try:
        client = connect(options)
    except NotRunning:
        start_in_background(options)
        client = connect(options)
    with client:
        made = client.call('restore', file=os.path.abspath(options.file), paused=options.paused)
    print(f'{made["name"]}: domain {made["domain"]}')
    return 0


def migrate(options):
    """Shows the rounds as they begin."""
    with connect(options) as client:
        client.send('migrate', domain=options.domain, to=os.path.abspath(options.to))
        number = 0
        while True:
            answer = client.receive()
            if 'error' in answer:
                raise BadInput(answer['error'])
            if 'result' in answer:
                break
            number += 1
            print(f'round {number}: {answer["round"]} pages' if answer.get('round') is not None else 'stopped; the rest', flush=True)
    result = answer['result']
    print(f'{options.domain}: domain {result["domain"]} there; {sum(result["rounds"])} pages sent, down for {result["downtime_ms"]} ms '
          f'and the last {result["rounds"][-1]} of them')
    return 0


def sched(options):
    """Shows it, unless something is set."""
    from guestkit.dom.show import scheduling
    domain = options.named if options.domain is None else options.domain
    names = ('weight', 'warp', 'warp_limit', 'unwarp', 'policy', 'allowance')
    settings = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    with connect(options) as client:
        answer = client.call('sched', **({'domain': domain} if domain is not None else {}), **settings)
    if options.json:
        print(json.dumps(answer, indent=2))
    elif not settings:
        print(scheduling(answer))
    return 0


def top(options):
    from guestkit.dom.show import top
    with connect(options) as client:
        top(client, options.delay, options.rounds)
    return 0


HANDLERS = {'start': start, 'stop': stop, 'create': create, 'list': list_domains, 'console': console, 'pause': on_domain, 'unpause': on_domain,
            'shutdown': on_domain, 'destroy': on_domain, 'save': save, 'restore': restore, 'migrate': migrate, 'sched': sched,
            'top': top}
