package dev.llmworker.assembly;

import com.sun.management.UnixOperatingSystemMXBean;
import dev.llmworker.serving.access.ApiKeys;
import dev.llmworker.serving.access.Origins;
import dev.llmworker.serving.connection.Timeouts;
import dev.llmworker.serving.port.Capacity;
import dev.llmworker.serving.port.ListenSettings;
import dev.llmworker.serving.port.TlsFiles;
import dev.llmworker.settings.Setting;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsTable;
import java.lang.management.ManagementFactory;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads the settings of the port.
public final class Listening {
    private static final Logger LOG = LoggerFactory.getLogger(Listening.class);
    private static final String PING = "/ping";
    private static final String HEALTH = "/health";

    /// The heap also holds what the budget does not count, and copies that are made on the way.
    private static final long MEMORY_SHARE = 4;

    private static final long RESERVED_SHARE = 4;
    /// Connections may take half of the heap; the other half is for the budget, the engine and the tokenizer.
    private static final long CONNECTIONS_SHARE = 2;
    /// What a connection may take without a place in the budget: its own objects, and the head of a request.
    private static final long CONNECTION_BYTES = 48 << 10;
    private static final long UNKNOWN_DESCRIPTORS = 4096;
    private static final int MOST_CONNECTIONS = 10_000_000;

    private Listening() {}

    /// @throws SettingsException if a key or an origin is invalid
    public static ListenSettings settings(Settings settings) throws SettingsException {
        var file = settings.orNull(SettingsTable.API_KEYS_FILE);
        return new ListenSettings(
                host(settings),
                settings.get(SettingsTable.PORT),
                healthPort(settings),
                healthPaths(settings),
                settings.get(SettingsTable.MAX_BODY_BYTES),
                timeouts(settings),
                settings.get(SettingsTable.MAX_WEBSOCKETS),
                capacity(settings),
                list(settings, SettingsTable.API_KEYS, keys -> ApiKeys.of(keys, file == null ? null : Path.of(file))),
                list(settings, SettingsTable.METRICS_KEYS, ApiKeys::forMetrics),
                list(settings, SettingsTable.ALLOWED_ORIGINS, Origins::of)
                        .withHosts(list(settings, SettingsTable.ALLOWED_HOSTS, Origins::hosts)),
                tags(settings.orNull(SettingsTable.ROUTE_TOOLS)),
                tags(settings.orNull(SettingsTable.MCP_TOOLS)),
                settings.get(SettingsTable.REQUEST_TIMEOUT),
                tls(settings),
                settings.orNull(SettingsTable.PORT_HEALTH_LOCAL),
                settings.orNull(SettingsTable.RUNPOD_POD_ID));
    }

    /// A URL has an IPv6 address in brackets, so some write it so here too.
    static String host(Settings settings) {
        return settings.get(SettingsTable.HOST).replaceAll("^\\[|]$", "");
    }

    static int healthPort(Settings settings) {
        return Objects.requireNonNullElse(settings.orNull(SettingsTable.PORT_HEALTH), settings.get(SettingsTable.PORT));
    }

    private static Set<String> healthPaths(Settings settings) {
        var path = settings.orNull(SettingsTable.HEALTH_CHECK_PATH);
        return path == null || path.equals(PING) || path.equals(HEALTH) ? Set.of(HEALTH) : Set.of(HEALTH, path);
    }

    private static Set<String> tags(@Nullable String list) {
        return list == null
                ? Set.of()
                : Stream.of(list.split(","))
                        .map(String::strip)
                        .filter(tag -> !tag.isEmpty())
                        .collect(Collectors.toUnmodifiableSet());
    }

    private static Capacity capacity(Settings settings) {
        var memoryBytes = settings.orNull(SettingsTable.MEMORY_BUDGET);
        var connections = settings.orNull(SettingsTable.MAX_CONNECTIONS);
        var perAddress = settings.orNull(SettingsTable.MAX_CONNECTIONS_PER_ADDRESS);
        var heapBytes = Runtime.getRuntime().maxMemory();
        var descriptors = besidesServers(settings, descriptors());
        return new Capacity(
                memoryBytes == null ? heapBytes / MEMORY_SHARE : memoryBytes,
                connections == null
                        ? defaultConnections(descriptors, heapBytes)
                        : chosenConnections(connections, descriptors),
                perAddress == null ? 0 : perAddress,
                settings.get(SettingsTable.RESPONSES_STORE),
                Duration.ofSeconds(settings.get(SettingsTable.RESPONSES_STORE_SECONDS)));
    }

    /// As many connections as there may be if nobody has chosen a number. Each takes memory before it has sent
    /// anything that counts.
    static int defaultConnections(long descriptors, long heapBytes) {
        return (int) Math.clamp(heapBytes / CONNECTIONS_SHARE / CONNECTION_BYTES, 1, withinDescriptors(descriptors));
    }

    /// @param chosen is lowered if there are not enough descriptors
    static int chosenConnections(int chosen, long descriptors) {
        var most = withinDescriptors(descriptors);
        if (chosen > most) {
            LOG.warn(
                    "MAX_CONNECTIONS is {}, but the limit on open files has room for {}, which is the limit now. Raise"
                            + " ulimit -n for more",
                    chosen,
                    most);
        }
        return Math.min(chosen, most);
    }

    /// The descriptors that the connections to the engine's servers leave.
    static long besidesServers(Settings settings, long descriptors) {
        if (settings.get(SettingsTable.ENGINE) != SettingsTable.Engine.OPENAI) {
            return descriptors;
        }
        var urls = settings.orNull(SettingsTable.ENGINE_BASE_URL);
        var servers = urls == null ? 1 : urls.split(",").length;
        return descriptors - Math.min((long) servers * settings.get(SettingsTable.ENGINE_CONNECTIONS), descriptors / 2);
    }

    /// Leaves a quarter of the descriptors for files, libraries and what routes connect to.
    private static int withinDescriptors(long descriptors) {
        return (int) Math.clamp(descriptors - descriptors / RESERVED_SHARE, 1, MOST_CONNECTIONS);
    }

    private static long descriptors() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
                ? unix.getMaxFileDescriptorCount()
                : UNKNOWN_DESCRIPTORS;
    }

    private static @Nullable TlsFiles tls(Settings settings) throws SettingsException {
        var certificate = settings.orNull(SettingsTable.TLS_CERT);
        var key = settings.orNull(SettingsTable.TLS_KEY);
        if (certificate == null && key == null) {
            return null;
        }
        if (certificate == null || key == null) {
            throw new SettingsException(
                    "TLS needs both TLS_CERT and TLS_KEY; " + (key == null ? "TLS_KEY" : "TLS_CERT") + " is not set");
        }
        try {
            return new TlsFiles(Path.of(certificate), Path.of(key));
        } catch (InvalidPathException e) {
            throw new SettingsException("TLS_CERT and TLS_KEY must be files: " + e.getMessage());
        }
    }

    private static Timeouts timeouts(Settings settings) {
        return new Timeouts(
                settings.get(SettingsTable.HEADER_TIMEOUT),
                settings.get(SettingsTable.BODY_TIMEOUT),
                settings.get(SettingsTable.SEND_TIMEOUT),
                settings.get(SettingsTable.IDLE_TIMEOUT),
                settings.get(SettingsTable.PING_INTERVAL),
                settings.get(SettingsTable.PONG_TIMEOUT),
                settings.get(SettingsTable.DRAIN_TIMEOUT));
    }

    /// Parses a list. A message names only the wrong entry, not the whole value: keys are secrets.
    private static <T> T list(Settings settings, Setting<String> setting, Function<@Nullable String, T> parse)
            throws SettingsException {
        try {
            return parse.apply(settings.orNull(setting));
        } catch (IllegalArgumentException e) {
            throw new SettingsException(setting.name() + ": " + e.getMessage());
        }
    }
}
