"""`python -m localcloud.hosts.connect NAMESPACE HOST PORT`: ssh's ProxyCommand with ProxyUseFdpass (ssh_config(5)).

Connects in the hosts' network namespace and hands the connection to ssh through standard output; carries no byte.
"""

import socket
import sys
from pathlib import Path

from localcloud.hosts.namespace import FOLDER, enter

CONNECT_SECONDS = 10.0


def main(namespace: str, host: str, port: str) -> int:
    try:
        enter(FOLDER / Path(namespace).name)
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(CONNECT_SECONDS)
        made.connect((host, int(port)))
    except OSError as error:
        print(f"{host} port {port}, in the network of the local cloud's hosts: {error}", file=sys.stderr)
        return 1
    made.setblocking(True)
    with socket.socket(fileno=sys.stdout.fileno()) as ssh:
        socket.send_fds(ssh, [b"\0"], [made.fileno()])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
