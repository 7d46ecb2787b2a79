"""The addresses of the site."""

from django.urls import path

from . import views

urlpatterns = [
    path("order/", views.order),
    path("status/<str:task_id>/", views.status),
]
