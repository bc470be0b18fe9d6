# Takes what is sent to a datagram socket, as a service manager does: each datagram as JSON on a line of its own.
import json, socket, sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps("listening"), flush=True)
while True:
    # What is sent along, a descriptor that systemd-notify waits to see closed, is closed by not being taken.
    print(json.dumps(receiver.recv(4096).decode()), flush=True)
