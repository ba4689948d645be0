"""QEMU's control socket (QMP): a JSON object per line, commands answered in order, events between."""
import json


class QmpError(Exception):
    """QEMU refused a command."""


class Qmp:
    """One QMP session over a connected socket."""

    def __init__(self, connection):
        self.events = []
        self._stream = connection.makefile("rw", encoding="utf-8")
        self._greeted = False

    def command(self, name, **arguments):
        """Run a command and return its result. Underscores in argument names become dashes."""
        if not self._greeted:
            self._greeted = True
            self._stream.readline()
            self.command("qmp_capabilities")
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        self._stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._stream.flush()
        for line in self._stream:
            reply = json.loads(line)
            if "error" in reply:
                raise QmpError(f"{name}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]
            self.events.append(reply)
        raise QmpError(f"{name}: QEMU has ended")

    def monitor(self, line):
        """Run a command of the human monitor and return what it prints."""
        return self.command("human-monitor-command", command_line=line)
