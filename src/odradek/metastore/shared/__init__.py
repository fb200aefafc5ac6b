"""A metadata store that several processes of one machine share: one process has it, the others reach it by a socket.

`StoreServer` serves any `MetadataStore` on a Unix socket, `SocketStore` is one in another process. `messages` has what
they say to each other, `framing` and `address` how. Imports the store's interface only.
"""
