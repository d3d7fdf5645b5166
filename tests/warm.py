"""Programs that start at once: forked from a process that has imported what they import.

    with serving(folder, "torch") as script:    # [python] SCRIPT FILE ... is as python FILE ...

The program runs in a process of its own, with the arguments, working folder, environment and
streams of the call, prints and ends as it does otherwise, and is killed when the caller is. What a
library reads from the environment when it is imported is what it was before.
"""

import atexit
import contextlib
import fcntl
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

CALL = """#!{executable}
import json, os, socket, sys

with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({address!r})
    call = [{words} + sys.argv[1:], os.getcwd(), dict(os.environ)]
    socket.send_fds(server, [json.dumps(call).encode()], [0, 1, 2])
    sys.exit((server.recv(1) or b"\\1")[0])
"""


@contextlib.contextmanager
def serving(folder, *modules):
    """The script that stands for the interpreter while the block runs; modules are imported."""
    address, script = str(folder / "socket"), folder / "python.py"
    script.write_text(CALL.format(executable=sys.executable, address=address, words=[]))
    script.chmod(0o755)
    command = [sys.executable, __file__, address, *modules]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        server.stdout.readline()  # it listens
        yield script
        server.terminate()


@contextlib.contextmanager
def client(folder):
    """The environment in which `python -m kaggle` starts at once, while the block runs."""
    with serving(folder, "kaggle.cli"):
        package = folder / "path" / "kaggle"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        text = CALL.format(
            executable=sys.executable, address=str(folder / "socket"), words=["-m", "kaggle"]
        )
        (package / "__main__.py").write_text(text)
        yield {"PYTHONPATH": str(package.parent)}


def run(words, folder, environment):
    """The exit code of `python WORDS`, which prints to the files 1 and 2."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(file, "wb", buffering=0), encoding="utf-8", write_through=True)
        for file in (1, 2)
    )
    first, *sys.argv = words
    try:
        if first == "-m":
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv.insert(0, first)
            sys.path.insert(0, os.path.dirname(first))
            runpy.run_path(first, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end_with(caller):
    """Ends this process when the other end of the socket is closed: nothing else comes from it."""
    fcntl.fcntl(caller, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(caller, fcntl.F_SETFL, fcntl.fcntl(caller, fcntl.F_GETFL) | os.O_ASYNC)


def serve(address, *modules):
    for module in modules:
        importlib.import_module(module)
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
                end_with(caller)
                for place, stream in enumerate(streams):
                    os.dup2(stream, place)
                code = run(*json.loads(call))
                atexit._run_exitfuncs()  # or multiprocessing complains
                caller.send(bytes([code]))
                os._exit(code)
            for file in (*streams, caller.detach()):
                os.close(file)


if __name__ == "__main__":
    serve(*sys.argv[1:])
