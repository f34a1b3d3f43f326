"""The data path of guest networks: what their routers are to do, where they run, and that they do.

`picture` says from the log what one does; `placing` chooses its host; `keeper` tells hosts.
"""
