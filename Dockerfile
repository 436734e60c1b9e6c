# zoo serve in a container: slim Python, CPU, no root, a file system that is only read.
# docs/guide/deploy.md says how to build and run it.

FROM python:3.12-slim AS wheels
# Plugins whose models are served; each is a folder of plugins/.
ARG PLUGINS="lung_xray oil_storage efficientnet_lite"
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . ./plugins/service \
    $(for plugin in $PLUGINS; do echo "./plugins/$plugin"; done)

FROM python:3.12-slim
# Where pip finds torch for CPUs alone; without it, the image holds 3 GB of CUDA.
ARG TORCH_INDEX=""
COPY constraints.txt /wheels/constraints.txt
COPY --from=wheels /wheels /wheels
# OpenCV without windows: the other one wants libGL, which a slim image lacks.
RUN if [ -n "$TORCH_INDEX" ]; then pip install --no-cache-dir --index-url "$TORCH_INDEX" \
      "torch==$(sed -n 's/^torch==//p' /wheels/constraints.txt)"; fi \
 && set -- /wheels/*.whl \
 && pip install --no-cache-dir -c /wheels/constraints.txt "mmzoo[mm,geo] @ file://$(ls /wheels/mmzoo-[0-9]*.whl)" "$@" \
      "pydicom>=3,<4" "pylibjpeg>=2" "pylibjpeg-openjpeg>=2.4" "pylibjpeg-rle>=2" \
 && pip uninstall --yes opencv-python \
 && pip install --no-cache-dir --no-deps \
      "opencv-python-headless==$(sed -n 's/^opencv-python==//p' /wheels/constraints.txt)" \
 && rm -r /wheels

RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent zoo
USER 10001
# /tmp is the only place that is written: images while they are predicted. Weights that a name
# does not ship with lie in ZOO_CACHE, which is mounted.
ENV TMPDIR=/tmp ZOO_CACHE=/weights PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp/matplotlib
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8000/health/live', timeout=4)"]
ENTRYPOINT ["zoo", "serve", "--host", "0.0.0.0"]
CMD ["unet_lung_montgomery"]
