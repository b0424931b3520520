"""What no schema sees in rendered manifests: whether their parts fit each other, and the gate.

Reads the manifests on standard input, lays out the gate's pod in a folder as the kubelet would, and lets the gate judge
the configuration with the environment it would get there. Prints a line for each fault. Absent on purpose: a cluster.
"""

import argparse
import base64
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

WORKLOADS = ("Deployment", "StatefulSet")


class Manifests:
    def __init__(self, text):
        self.all = [document for document in yaml.safe_load_all(text) if document]
        self.faults = []

    def of(self, *kinds):
        return [document for document in self.all if document["kind"] in kinds]

    def named(self, kind, name):
        found = [document for document in self.of(kind) if document["metadata"]["name"] == name]
        return found[0] if found else None

    def expect(self, holds, fault):
        if not holds:
            self.faults.append(fault)


def is_selected(labels, selector):
    return bool(selector) and selector.items() <= labels.items()


def check_ports(manifests, pod):
    """Selectors find the gates, and ports that are named are there."""
    labels = pod["metadata"]["labels"]
    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}

    def both(what, selector, names):
        manifests.expect(is_selected(labels, selector), f"{what}: its selector does not find the gates")
        for name in names:
            manifests.expect(name in ports, f"{what}: the gate has no port named {name}")

    for service in manifests.of("Service"):
        spec = service["spec"]
        both(f"Service {service['metadata']['name']}", spec["selector"], [port["targetPort"] for port in spec["ports"]])
    for policy in manifests.of("NetworkPolicy"):
        rules = policy["spec"].get("ingress", [])
        names = [port["port"] for rule in rules for port in rule.get("ports", [])]
        both(f"NetworkPolicy {policy['metadata']['name']}", policy["spec"]["podSelector"]["matchLabels"], names)
    for monitor in manifests.of("PodMonitor"):
        names = [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]]
        both("PodMonitor", monitor["spec"]["selector"]["matchLabels"], names)
    for budget in manifests.of("PodDisruptionBudget", *WORKLOADS):
        both(budget["kind"], budget["spec"]["selector"]["matchLabels"], [])
    for spread in pod["spec"]["topologySpreadConstraints"]:
        both("topologySpreadConstraints", spread["labelSelector"]["matchLabels"], [])
    gate = pod["spec"]["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        both(probe, labels, [gate[probe]["httpGet"]["port"]])
    for ingress in manifests.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = manifests.named("Service", backend["name"])
                names = [port["name"] for port in service["spec"]["ports"]] if service else []
                manifests.expect(backend["port"]["name"] in names, f"Ingress: no such service or port: {backend}")


def check_names(manifests, workload, pod):
    """Whatever is named is there, under the name with its hash."""
    wanted = [("ServiceAccount", pod["spec"]["serviceAccountName"])]
    for volume in pod["spec"]["volumes"]:
        if "configMap" in volume:
            wanted.append(("ConfigMap", volume["configMap"]["name"]))
        if "secret" in volume:
            wanted.append(("Secret", volume["secret"]["secretName"]))
    if "serviceName" in workload["spec"]:
        wanted.append(("Service", workload["spec"]["serviceName"]))
    for kind, name in wanted:
        manifests.expect(manifests.named(kind, name), f"{kind} {name} is named and not there")
    for monitor in manifests.of("PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            token = endpoint["authorization"]["credentials"]
            secret = manifests.named("Secret", token["name"]) or {"data": {}}
            manifests.expect(token["key"] in secret["data"], f"PodMonitor: there is no {token['name']}/{token['key']}")
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        manifests.expect(manifests.named(target["kind"], target["name"]), f"the autoscaler's {target['kind']} is not there")
        manifests.expect("replicas" not in workload["spec"], "replicas are set, and belong to the autoscaler")


def check_locks(manifests, pod):
    """The pod security standard `restricted`, and more."""
    spec = pod["spec"]
    context = spec["securityContext"]
    manifests.expect(context["runAsNonRoot"] is True and context["runAsUser"] > 0, "the pod may run as root")
    manifests.expect(context["seccompProfile"]["type"] == "RuntimeDefault", "the pod has no seccomp profile")
    manifests.expect(spec["automountServiceAccountToken"] is False, "the pod gets a token of its service account")
    for container in spec["containers"] + spec.get("initContainers", []):
        own = container.get("securityContext", {})
        locked = (
            own.get("allowPrivilegeEscalation") is False
            and own.get("readOnlyRootFilesystem") is True
            and own.get("capabilities") == {"drop": ["ALL"]}
        )
        manifests.expect(locked, f"container {container['name']} is not locked")
        manifests.expect("memory" in container["resources"]["limits"], f"container {container['name']} has no memory limit")


def check_grace(manifests, pod, source):
    """The kubelet waits longer than the gate may take. Its last grace counts twice: for tasks, and for the runtime."""
    text = source.read_text()
    seconds = {name: int(value) for name, value in re.findall(r"const (\w+): Duration = Duration::from_secs\((\d+)\)", text)}
    pause = pod["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    longest = pause + seconds["GRACE"] + 2 * seconds["LAST_GRACE"] + seconds["LINES_GRACE"]
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    manifests.expect(longest < grace, f"terminationGracePeriodSeconds is {grace}, and a gate may take {longest} s to stop")


def content(document):
    """The files of a ConfigMap or Secret."""
    decode = base64.b64decode if document["kind"] == "Secret" else str.encode
    return {name: decode(text) for name, text in document.get("data", {}).items()}


def lay(manifests, pod, folder, databases):
    """Lays the gate's volumes in a folder; gives the environment, in which paths point there."""
    gate = pod["spec"]["containers"][0]
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    mounts = [mount["mountPath"] for mount in gate["volumeMounts"]]

    def moved(text):
        for mount in mounts:
            text = text.replace(f"{mount}/", f"{folder}{mount}/")
        return text

    for mount in gate["volumeMounts"]:
        place = folder / mount["mountPath"].lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            for name, text in content(manifests.named("ConfigMap", volume["configMap"]["name"])).items():
                (place / name).write_text(moved(text.decode()))
        elif "secret" in volume:
            for name, secret in content(manifests.named("Secret", volume["secret"]["secretName"])).items():
                (place / name).write_bytes(secret)
        else:
            # What geoipupdate would have fetched.
            shutil.copy(databases / "GeoIP2-City-Test.mmdb", place / "GeoLite2-City.mmdb")
            shutil.copy(databases / "GeoLite2-ASN-Test.mmdb", place / "GeoLite2-ASN.mmdb")
    return {variable["name"]: moved(variable["value"]) for variable in gate["env"]}


def check_gate(manifests, pod, binary, environment):
    """The gate takes its configuration, and listens where the manifests say."""
    judged = subprocess.run([binary, "check"], env=environment, capture_output=True, text=True, timeout=60)
    manifests.expect(judged.returncode == 0, f"watchgate check: {judged.stderr.strip()}")
    if judged.returncode != 0:
        return
    shown = subprocess.run([binary, "config", "print"], env=environment, capture_output=True, text=True, timeout=60)
    for port in pod["spec"]["containers"][0]["ports"]:
        manifests.expect(
            f"0.0.0.0:{port['containerPort']}" in shown.stdout,
            f"port {port['name']} is {port['containerPort']}, where the gate does not listen",
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="the gate")
    parser.add_argument("root", type=pathlib.Path, help="the repository")
    parser.add_argument("folder", type=pathlib.Path, help="an empty folder for the pod's volumes")
    asked = parser.parse_args()
    manifests = Manifests(sys.stdin.read())
    [workload] = manifests.of(*WORKLOADS)
    pod = workload["spec"]["template"]
    check_ports(manifests, pod)
    check_names(manifests, workload, pod)
    check_locks(manifests, pod)
    check_grace(manifests, pod, asked.root / "proxy/src/cli/run.rs")
    if not manifests.faults:
        environment = lay(manifests, pod, asked.folder, asked.root / "geoip/tests/data")
        check_gate(manifests, pod, asked.binary, environment)
    for fault in manifests.faults:
        print(fault)
    return 1 if manifests.faults else 0


sys.exit(main())
