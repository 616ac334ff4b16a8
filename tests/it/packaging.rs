//! The ways to install, held against each other and against the code: Dockerfile, compose.yaml, the manifests for
//! Kubernetes, the systemd unit, the Debian package. Only reads them; `make image-test` and `make deb-test` try them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use leadstream::config::keys::{KEYS, Need};
use yaml_rust2::{Yaml, YamlLoader};

const STATE: &str = "/var/lib/leadstream";
const CONFIG: &str = "/etc/leadstream/leadstream.toml";
const PROGRAM: &str = "/usr/bin/leadstream";
/// What a stop takes beyond `operator.shutdown_grace`: docs/operations.md, "Stop".
const BEYOND_GRACE: u64 = 15;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[track_caller]
fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn yaml(path: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(&read(path)).expect(path);
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

#[track_caller]
fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}

fn texts(yaml: &Yaml) -> Vec<&str> {
    yaml.as_vec()
        .map(|list| list.iter().filter_map(Yaml::as_str).collect())
        .unwrap_or_default()
}

/// What an instruction of the last stage of the Dockerfile is given, continued lines joined.
#[track_caller]
fn instruction(name: &str) -> String {
    let joined = read("Dockerfile").replace("\\\n", " ");
    let last = joined.rsplit_once("\nFROM ").expect("two stages").1;
    let mut found = last.lines().filter_map(|line| {
        line.strip_prefix(name)
            .filter(|rest| rest.starts_with(' '))
            .map(|rest| rest.trim().to_owned())
    });
    found.next().unwrap_or_else(|| panic!("no {name}"))
}

#[track_caller]
fn default_of(key: &str) -> &'static str {
    let key = KEYS.iter().find(|known| known.path == key).expect(key);
    match key.need {
        Need::Default(value) => value.trim_matches('"'),
        _ => panic!("{} has no default", key.path),
    }
}

fn port() -> i64 {
    let listen = default_of("operator.listen");
    let (_, port) = listen.rsplit_once(':').expect("host:port");
    port.parse().expect("a port")
}

fn grace_seconds() -> u64 {
    let grace = default_of("operator.shutdown_grace");
    grace.trim_end_matches('s').parse().expect("seconds")
}

fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().expect("seconds")
}

/// The numeric user of the image, `uid:gid`.
fn user() -> (i64, i64) {
    let user = instruction("USER");
    let (uid, gid) = user.split_once(':').expect("uid:gid");
    (uid.parse().expect("a uid"), gid.parse().expect("a gid"))
}

fn pod() -> Yaml {
    yaml("ops/kubernetes/statefulset.yaml")["spec"]["template"]["spec"].clone()
}

/// The values of a key in a unit file; one that is given twice has two.
fn unit(key: &str) -> Vec<String> {
    read("ops/systemd/leadstream.service")
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .map(str::to_owned)
        .collect()
}

/// What `mysql_cdc` names for a key exchange of its own would be the one library that not every
/// system has.
#[test]
fn the_program_needs_the_c_library_alone() {
    let test_build = Path::new(env!("CARGO_BIN_EXE_leadstream"));
    let release = test_build.parent().unwrap().with_file_name("release");
    let program = release.join("leadstream");
    let told = Command::new("ldd").arg(&program).output().expect("ldd(1)");
    let told = String::from_utf8(told.stdout).unwrap();
    let names = told
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let names: BTreeSet<&str> = names
        .map(|name| name.rsplit('/').next().unwrap())
        .filter(|name| !name.starts_with("ld-linux") && !name.starts_with("linux-vdso"))
        .collect();
    let allowed = ["libc.so.6", "libgcc_s.so.1", "libm.so.6"];
    assert!(names.contains("libc.so.6"), "{}: {told}", program.display());
    assert!(names.is_subset(&BTreeSet::from(allowed)), "{told}");
}

#[test]
fn the_image_runs_as_a_number_and_keeps_its_state_in_the_volume() {
    let (uid, gid) = user();
    assert!(uid > 0 && gid > 0);
    let dockerfile = read("Dockerfile");
    let chown = format!("--chown={uid}:{gid} /out{STATE} {STATE}");
    assert!(dockerfile.contains(&chown), "{chown}");
    assert_eq!(instruction("VOLUME"), format!("[\"{STATE}\"]"));
    assert_eq!(
        instruction("ENV"),
        format!("LEADSTREAM_STATE__PATH={STATE}")
    );
    assert_eq!(instruction("EXPOSE"), port().to_string());
    assert_eq!(instruction("ENTRYPOINT"), format!("[\"{PROGRAM}\"]"));
    let command: Vec<String> = serde_json::from_str(&instruction("CMD")).unwrap();
    assert_eq!(command, ["run", "--config", CONFIG]);
    // The exec form: there is no shell that could read the other one.
    let (_, health) = instruction("HEALTHCHECK")
        .split_once("CMD ")
        .map(|(options, command)| (options.to_owned(), command.to_owned()))
        .expect("a command");
    let health: Vec<String> = serde_json::from_str(&health).unwrap();
    assert_eq!(health, [PROGRAM, "status", "--ready", "--state", STATE]);
    let version = format!("ARG VERSION={}", env!("CARGO_PKG_VERSION"));
    assert!(dockerfile.contains(&version), "{version}");
}

#[test]
fn the_build_context_has_what_the_build_reads_and_nothing_secret() {
    let ignored = read(".dockerignore");
    let taken: BTreeSet<&str> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    assert!(ignored.lines().any(|line| line == "*"));
    for name in [
        ".cargo",
        "Cargo.lock",
        "Cargo.toml",
        "src",
        "templates",
        "vendor",
        "crates",
    ] {
        assert!(taken.contains(name), "{name} is not in the build context");
    }
    for name in &taken {
        assert!(at(name).exists(), "{name} is not there");
    }
    for name in ["state", "ops", "target", ".git"] {
        assert!(!taken.contains(name), "{name} is in the build context");
    }
    assert!(read(".gitignore").contains("/ops/compose/secrets/"));
}

#[test]
fn compose_mounts_files_that_are_there_and_secrets_that_are_made() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_hash().unwrap();
    let mut checked = 0;
    for (name, service) in services {
        for volume in texts(&service["volumes"]) {
            let (from, _) = volume.split_once(':').unwrap();
            if from.starts_with("./") {
                assert!(at(from).is_file(), "{name:?}: {from}");
                checked += 1;
            } else {
                assert!(!compose["volumes"][from].is_badvalue(), "{name:?}: {from}");
            }
        }
        for secret in texts(&service["secrets"]) {
            let known = &compose["secrets"][secret]["file"];
            assert!(known.as_str().is_some(), "{name:?}: {secret}");
        }
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name:?}: {port}");
        }
    }
    assert!(checked >= 6, "{checked}");
    let script = read("ops/compose/secrets.sh");
    for (_, secret) in compose["secrets"].as_hash().unwrap() {
        let file = text(&secret["file"]);
        let (folder, name) = file.rsplit_once('/').unwrap();
        assert_eq!(folder, "./ops/compose/secrets");
        assert!(script.contains(name), "{name} is not made");
    }
}

#[test]
fn compose_runs_leadstream_as_the_documents_promise() {
    let service = yaml("compose.yaml")["services"]["leadstream"].clone();
    assert_eq!(service["cpus"].as_f64(), Some(0.2));
    assert_eq!(text(&service["mem_limit"]), "1g");
    assert_eq!(service["read_only"].as_bool(), Some(true));
    assert_eq!(texts(&service["cap_drop"]), ["ALL"]);
    let stop = seconds(text(&service["stop_grace_period"]));
    assert_eq!(stop, grace_seconds() + BEYOND_GRACE);
    let volumes = texts(&service["volumes"]);
    assert!(volumes.contains(&format!("state:{STATE}").as_str()));
    assert!(volumes.contains(&format!("./ops/compose/leadstream.toml:{CONFIG}:ro").as_str()));
    let config: toml::Table = toml::from_str(&read("ops/compose/leadstream.toml")).unwrap();
    let mounted = texts(&service["secrets"]);
    check_paths(&config, "/run/secrets/", &mounted);
    let listen = config["operator"]["listen"].as_str().unwrap();
    assert_eq!(listen, format!("0.0.0.0:{}", port()));
}

/// Every file that a configuration names below `folder` is mounted there.
#[track_caller]
fn check_paths(config: &toml::Table, folder: &str, mounted: &[&str]) {
    let mut found = 0;
    for line in toml::to_string(config).unwrap().lines() {
        let Some((_, rest)) = line.split_once(folder) else {
            continue;
        };
        let name = rest.split('"').next().unwrap();
        assert!(mounted.contains(&name), "{folder}{name} is not mounted");
        found += 1;
    }
    assert!(found >= 3, "{found}");
}

#[test]
fn prometheus_in_compose_asks_the_same_job_with_the_same_rules() {
    let ours = yaml("ops/prometheus/prometheus.yml");
    let theirs = yaml("ops/compose/prometheus.yml");
    for part in ["global", "rule_files"] {
        assert_eq!(ours[part], theirs[part], "{part}");
    }
    let (ours, theirs) = (&ours["scrape_configs"][0], &theirs["scrape_configs"][0]);
    assert_eq!(ours["job_name"], theirs["job_name"]);
    let target = text(&theirs["static_configs"][0]["targets"][0]);
    assert_eq!(target, format!("leadstream:{}", port()));
    let mut ours = yaml("ops/grafana/provisioning/datasources/prometheus.yml");
    let theirs = yaml("ops/compose/grafana-datasource.yml");
    // All but the address.
    let source = &theirs["datasources"][0];
    for part in ["name", "type", "isDefault", "jsonData"] {
        assert_eq!(ours["datasources"][0][part], source[part], "{part}");
    }
    ours = yaml("ops/grafana/provisioning/dashboards/leadstream.yml");
    let folder = text(&ours["providers"][0]["options"]["path"]);
    let grafana = yaml("compose.yaml")["services"]["grafana"].clone();
    let dashboard = format!("./ops/grafana/leadstream.json:{folder}/leadstream.json:ro");
    assert!(texts(&grafana["volumes"]).contains(&dashboard.as_str()));
}

#[test]
fn kubernetes_runs_one_pod_as_the_images_user() {
    let set = yaml("ops/kubernetes/statefulset.yaml");
    assert_eq!(set["spec"]["replicas"].as_i64(), Some(1));
    let pod = pod();
    let (uid, gid) = user();
    let security = &pod["securityContext"];
    assert_eq!(security["runAsNonRoot"].as_bool(), Some(true));
    assert_eq!(security["runAsUser"].as_i64(), Some(uid));
    assert_eq!(security["runAsGroup"].as_i64(), Some(gid));
    assert_eq!(security["fsGroup"].as_i64(), Some(gid));
    assert_eq!(text(&security["seccompProfile"]["type"]), "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false));
    let stop = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert_eq!(stop as u64, grace_seconds() + BEYOND_GRACE);
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false));
    assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"]);
    assert_eq!(texts(&container["args"]), ["run", "--config", CONFIG]);
    let limits = &container["resources"]["limits"];
    assert_eq!(text(&limits["cpu"]), "200m");
    assert_eq!(text(&limits["memory"]), "1Gi");
}

#[test]
fn kubernetes_probes_paths_that_need_no_token_and_restarts_on_life_alone() {
    let served = read("src/operator/http.rs");
    let container = pod()["containers"][0].clone();
    assert_eq!(
        container["ports"][0]["containerPort"].as_i64(),
        Some(port())
    );
    let name = text(&container["ports"][0]["name"]);
    let paths = ["startupProbe", "livenessProbe", "readinessProbe"].map(|probe| {
        let get = &container[probe]["httpGet"];
        assert_eq!(text(&get["port"]), name, "{probe}");
        // Beyond loopback the port speaks TLS or is not there.
        assert_eq!(text(&get["scheme"]), "HTTPS", "{probe}");
        let path = text(&get["path"]).to_owned();
        assert!(served.contains(&format!(".route(\"{path}\"")), "{path}");
        path
    });
    assert_eq!(paths, ["/livez", "/livez", "/readyz"]);
    let monitor = yaml("ops/kubernetes/servicemonitor.yaml");
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(text(&endpoint["path"]), "/metrics");
    assert_eq!(text(&endpoint["scheme"]), "https");
    let service = yaml("ops/kubernetes/service.yaml");
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!(service["spec"]["ports"][0]["port"].as_i64(), Some(port()));
    assert_eq!(text(&service["spec"]["ports"][0]["targetPort"]), name);
    // Prometheus calls the job by the service's name.
    let job = yaml("ops/prometheus/prometheus.yml")["scrape_configs"][0]["job_name"].clone();
    assert_eq!(service["metadata"]["name"], job);
}

#[test]
fn kubernetes_mounts_what_the_configuration_names() {
    let pod = pod();
    let mounts = pod["containers"][0]["volumeMounts"].as_vec().unwrap();
    let place = |name: &str| {
        let mount = mounts.iter().find(|mount| text(&mount["name"]) == name);
        text(&mount.expect(name)["mountPath"]).to_owned()
    };
    assert_eq!(place("state"), STATE);
    assert_eq!(
        Some(place("config").as_str()),
        Path::new(CONFIG).parent().and_then(Path::to_str)
    );
    let claim = yaml("ops/kubernetes/statefulset.yaml")["spec"]["volumeClaimTemplates"][0].clone();
    assert_eq!(text(&claim["metadata"]["name"]), "state");
    let volumes = pod["volumes"].as_vec().unwrap();
    for mount in mounts {
        let name = text(&mount["name"]);
        let known = volumes.iter().any(|volume| text(&volume["name"]) == name);
        assert!(known || name == "state", "{name}");
    }
    let secrets = volumes
        .iter()
        .find(|volume| text(&volume["name"]) == "secrets")
        .unwrap();
    // Not octal 400 by mistake: JSON and YAML 1.2 read 0400 as four hundred.
    assert_eq!(secrets["projected"]["defaultMode"].as_i64(), Some(0o400));
    let mut mounted = Vec::new();
    for source in secrets["projected"]["sources"].as_vec().unwrap() {
        for item in source["secret"]["items"].as_vec().unwrap() {
            mounted.push(text(&item["path"]));
        }
    }
    let config: toml::Table = toml::from_str(&read("ops/kubernetes/leadstream.toml")).unwrap();
    check_paths(&config, &format!("{}/", place("secrets")), &mounted);
    let listen = config["operator"]["listen"].as_str().unwrap();
    assert_eq!(listen, format!("0.0.0.0:{}", port()));
}

#[test]
fn kustomize_has_every_manifest_and_all_select_the_pod() {
    let kustomization = yaml("ops/kubernetes/kustomization.yaml");
    let listed: BTreeSet<String> = texts(&kustomization["resources"])
        .into_iter()
        .map(str::to_owned)
        .collect();
    let there: BTreeSet<String> = fs::read_dir(at("ops/kubernetes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yaml") && name != "kustomization.yaml")
        .collect();
    assert_eq!(listed, there);
    let label = "app.kubernetes.io/name";
    let set = yaml("ops/kubernetes/statefulset.yaml");
    let pod = &set["spec"]["template"]["metadata"]["labels"][label];
    let of = |file: &str| yaml(&format!("ops/kubernetes/{file}.yaml"))["spec"].clone();
    for found in [
        &set["spec"]["selector"]["matchLabels"][label],
        &of("service")["selector"][label],
        &of("networkpolicy")["podSelector"]["matchLabels"][label],
        &of("poddisruptionbudget")["selector"]["matchLabels"][label],
        &of("servicemonitor")["selector"]["matchLabels"][label],
    ] {
        assert_eq!(found, pod);
        assert!(pod.as_str().is_some());
    }
    let generated = &kustomization["configMapGenerator"][0];
    assert_eq!(texts(&generated["files"]), ["leadstream.toml"]);
    let config = pod_volume("config");
    assert_eq!(config["configMap"]["name"], generated["name"]);
    // What a drain asks must never be refused for ever.
    assert_eq!(
        of("poddisruptionbudget")["maxUnavailable"].as_i64(),
        Some(1)
    );
    let ingress = &of("networkpolicy")["ingress"][0]["ports"][0]["port"];
    assert_eq!(*ingress, self::pod()["containers"][0]["ports"][0]["name"]);
}

#[track_caller]
fn pod_volume(name: &str) -> Yaml {
    let volumes = pod()["volumes"].as_vec().unwrap().clone();
    let found = volumes
        .into_iter()
        .find(|volume| text(&volume["name"]) == name);
    found.expect(name)
}

#[test]
fn the_unit_stops_and_keeps_state_as_the_others_do() {
    assert_eq!(
        unit("ExecStart"),
        [format!("{PROGRAM} run --config {CONFIG}")]
    );
    assert_eq!(unit("ConditionPathExists"), [CONFIG]);
    assert_eq!(unit("User"), ["leadstream"]);
    assert_eq!(unit("StateDirectory"), ["leadstream"]);
    assert_eq!(unit("StateDirectoryMode"), ["0700"]);
    let state = format!("LEADSTREAM_STATE__PATH={STATE}");
    assert_eq!(unit("Environment"), [state]);
    assert_eq!(unit("RestartPreventExitStatus"), ["2"]);
    let stop: u64 = unit("TimeoutStopSec")[0].parse().unwrap();
    assert_eq!(stop, grace_seconds() + BEYOND_GRACE);
    for (key, value) in [
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
    ] {
        assert_eq!(unit(key), [value], "{key}");
    }
}

#[test]
fn the_debian_package_has_program_unit_and_user() {
    let cargo: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let deb = &cargo["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    for asset in assets {
        let from = asset[0].as_str().unwrap();
        let folder_or_file = from.trim_end_matches("**/*");
        assert!(
            from.starts_with("target/") || at(folder_or_file).exists(),
            "{from}"
        );
    }
    let program = ["target/release/leadstream", "usr/bin/", "755"];
    assert_eq!(assets[0], toml::Value::try_from(program).unwrap());
    let units = &deb["systemd-units"];
    let (folder, name) = (&units["unit-scripts"], &units["unit-name"]);
    let unit = format!(
        "{}/{}.service",
        folder.as_str().unwrap(),
        name.as_str().unwrap()
    );
    assert!(at(&unit).is_file(), "{unit}");
    let scripts = deb["maintainer-scripts"].as_str().unwrap();
    for script in ["postinst", "prerm", "postrm"] {
        let text = read(&format!("{scripts}/{script}"));
        // Where cargo-deb puts what enables, starts and stops the unit.
        assert!(text.lines().any(|line| line == "#DEBHELPER#"), "{script}");
    }
    let postinst = read(&format!("{scripts}/postinst"));
    let folder = format!("install -d -m 0700 -o leadstream -g leadstream {STATE}");
    assert!(postinst.contains(&folder), "{folder}");
    let depends = deb["depends"].as_str().unwrap();
    assert!(depends.contains("adduser") && depends.contains("ca-certificates"));
}
