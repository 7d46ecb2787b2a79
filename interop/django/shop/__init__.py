"""A Django project whose tasks run in Python and in TypeScript, their results in Django's database."""

try:
    import MySQLdb  # noqa: F401
except ImportError:
    try:
        import pymysql

        pymysql.install_as_MySQLdb()
    except ImportError:
        pass

from .celery import app as celery_app

__all__ = ["celery_app"]
