/** The real servers and the real Python Celery that tests run against, started once and lazily. */
export {}
