"""What the site does: it leaves work to the TypeScript worker, and tells what came of it."""

from celery.result import AsyncResult
from django.http import JsonResponse

from .celery import app


def order(request):
    """Has TypeScript add two numbers."""
    x, y = int(request.POST["x"]), int(request.POST["y"])
    result = app.send_task("ts.add", args=(x, y))
    return JsonResponse({"task_id": result.id})


def status(request, task_id):
    result = AsyncResult(task_id)
    return JsonResponse({"status": result.status, "result": result.result})
