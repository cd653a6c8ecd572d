"""The example's application, in a worker that the test kills: what it had is given to the next one after a second."""

from background_celery import app

app.conf.broker_transport_options = {"visibility_timeout": 1}
__all__ = ["app"]
