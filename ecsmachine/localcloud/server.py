"""The endpoint: an ASGI application over a state and its guests.

How a daemon uses it::

    state = open_state(root, Settings(region=..., public_pool=..., vswitch_cidr=...))
    app = create_app(state, guests, images=bootable_images())
    uvicorn.run(app, host="127.0.0.1", port=port, lifespan="on", log_config=None)
    state.close()

- ``guests`` is called from worker threads of the application, one call at a time for one
  instance, several for different instances. A :class:`GuestError` is logged (logger
  ``ecsmachine.localcloud``) and ends as it does in ECS: an instance that cannot be made is
  released, one that cannot be started stays Stopped.
- When the server starts (ASGI lifespan), the state is put right by
  :func:`ecsmachine.localcloud.lifecycle.recover`: what was removed is removed from the host,
  what was Pending, Starting or Stopping is finished, an instance that is Running without a guest
  in ``guests.running()`` is started again.
- While it serves, ``guests.running()`` is asked every ``watch_interval_s`` seconds: a Running
  instance whose guest is not in it twice in a row was powered off from inside and becomes
  Stopped. A guest that is on its way through a reboot therefore has to count as running.
- When the server stops, guests go on running: a daemon that wants them down stops them itself,
  and what was Running then is started again by the next daemon.
- ``GET /`` without ``Action`` answers as ECS does (400), so readiness is: the port accepts.
"""
