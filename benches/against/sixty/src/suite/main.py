import aiohttp
import boto3
import celery
import fastapi
import flask


def main() -> None:
    print(aiohttp, boto3, celery, fastapi, flask)
