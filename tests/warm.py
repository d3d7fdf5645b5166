"""Kaggle's own client without the half second that importing it takes, for many short calls.

    with serving(folder) as environment:    # in which `python -m kaggle ...` is answered at once

A process that has imported what the client imports forks for each call. The client itself is
imported and run in the fork, with the arguments, working folder, environment and streams of the
call, so that it does and prints what it does otherwise.
"""

import contextlib
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback

CALL = """
import json, os, socket, sys

with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({address!r})
    call = [sys.argv[1:], os.getcwd(), dict(os.environ)]
    socket.send_fds(server, [json.dumps(call).encode()], [0, 1, 2])
    sys.exit((server.recv(1) or b"\\1")[0])
"""


@contextlib.contextmanager
def serving(folder):
    """The environment of the calls, while the block runs; the folder must be empty."""
    address = folder / "socket"
    package = folder / "path" / "kaggle"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(CALL.format(address=str(address)))
    command = [sys.executable, __file__, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        server.stdout.readline()  # it listens
        yield {"PYTHONPATH": str(package.parent)}
        server.terminate()


def run(arguments, folder, environment):
    """The exit code of the client, which prints to the files 1 and 2."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["kaggle", *arguments]
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(file, "wb", buffering=0), encoding="utf-8", write_through=True)
        for file in (1, 2)
    )
    try:
        runpy.run_module("kaggle", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve(address):
    importlib.import_module("kaggle.cli")
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaggle"]:
        del sys.modules[name]  # it reads the environment when it is imported
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while True:
            caller, _ = listener.accept()
            call, streams, _, _ = socket.recv_fds(caller, 2**20, 3)
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for place, stream in enumerate(streams):
                    os.dup2(stream, place)
                code = run(*json.loads(call))
                caller.send(bytes([code]))
                os._exit(code)
            for file in (*streams, caller.detach()):
                os.close(file)


if __name__ == "__main__":
    serve(sys.argv[1])
