"""FastAPI, as its documentation writes it."""

from fastapi import FastAPI
from predictor import labels
from pydantic import BaseModel


class Request(BaseModel):
    inputs: list[list[float]]


class Answer(BaseModel):
    outputs: list[int]


app = FastAPI()


@app.post("/predict")
async def predict(request: Request) -> Answer:
    return Answer(outputs=labels(request.inputs))
