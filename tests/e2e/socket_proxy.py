"""A proxy before a server's Unix socket, for tests of bad links."""

import socket
import threading


class SocketProxy:
    """Passes everything on, unless a subclass says otherwise."""

    def __init__(self, path, server):
        self.server = str(server)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def passes_request(self, data):
        """Called with each piece from a client; false: it is dropped."""
        return True

    def passes_answer(self, data):
        """Called with each piece from the server; false: it is dropped."""
        return True

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.server)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self.copy, args=(client, server, self.passes_request), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, self.passes_answer), daemon=True).start()

    @staticmethod
    def copy(source, sink, passes):
        try:
            while data := source.recv(65536):
                if passes(data):
                    sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
