package dev.llmworker.settings;

import dev.llmworker.serving.access.ApiKeys;
import dev.llmworker.serving.access.Origins;
import dev.llmworker.serving.connection.Timeouts;
import dev.llmworker.serving.port.ListenSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/// What the operator chose. Each setting is an environment variable, or else a line in `application.properties` beside
/// the routes, under the same name.
///
/// @param routes the folder of the YAML routes
/// @param reloadsRoutes whether a file of routes that changes is loaded anew
/// @param model what to load; null for the starter model
/// @param device `auto`, `cpu`, `cuda:0`
/// @param dtype format of the weights, or `auto`
/// @param deterministic a text never depends on what else runs
/// @param maxModelLen tokens of a sequence, prompt and answer together; null for as many as the model and memory allow
/// @param maxSlots sequences decoded together; null for what fits
/// @param queueLimit requests that may wait; null for four for each slot
/// @param requestTimeout a generation's deadline
/// @param threads of the engine; null for one for each core
/// @param values all of them by name, for what reads its own
public record Settings(
        ListenSettings listen,
        Path routes,
        boolean reloadsRoutes,
        EngineKind engine,
        @Nullable String model,
        String device,
        String dtype,
        boolean deterministic,
        @Nullable Integer maxModelLen,
        @Nullable Integer maxSlots,
        @Nullable Integer queueLimit,
        Duration requestTimeout,
        @Nullable Integer threads,
        Map<String, String> values) {
    /// What generates.
    public enum EngineKind {
        DJL,
        MOCK,
        OPENAI
    }

    private static final int MAX_PORT = 65_535;
    private static final int DEFAULT_BODY_BYTES = 1 << 20;
    private static final int MIN_BODY_BYTES = 1 << 10;
    private static final int DEFAULT_WEBSOCKETS = 20_000;
    private static final int MAX_BODY_BYTES = 30 << 20;
    private static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(300);

    /// @throws SettingsException naming the variable, its value and its limits
    public static Settings read(Map<String, String> environment) throws SettingsException {
        var routes = Path.of(environment.getOrDefault("ROUTES", "routes"));
        return read(environment, routes, routes.resolve("application.properties"));
    }

    /// All that is set, by name.
    public static Map<String, String> values(Map<String, String> environment) throws SettingsException {
        var routes = Path.of(environment.getOrDefault("ROUTES", "routes"));
        return values(environment, routes.resolve("application.properties"));
    }

    /// As [#read(Map)], with the file in `file`.
    public static Settings read(Map<String, String> environment, Path routes, Path file) throws SettingsException {
        return of(new SettingsReader(values(environment, file)), routes);
    }

    private static Map<String, String> values(Map<String, String> environment, Path file) throws SettingsException {
        var values = new HashMap<String, String>();
        if (Files.isRegularFile(file)) {
            var properties = new Properties();
            try (var reader = Files.newBufferedReader(file)) {
                properties.load(reader);
            } catch (IOException | IllegalArgumentException e) {
                throw new SettingsException(file + " cannot be read: " + e.getMessage());
            }
            properties.stringPropertyNames().forEach(name -> values.put(name, properties.getProperty(name)));
        }
        values.putAll(environment);
        return values;
    }

    private static Settings of(SettingsReader from, Path routes) throws SettingsException {
        var port = from.whole("PORT", 0, MAX_PORT, 80);
        return new Settings(
                new ListenSettings(
                        from.text("HOST", "0.0.0.0"),
                        port,
                        from.whole("PORT_HEALTH", 1, MAX_PORT, port),
                        from.whole("MAX_BODY_BYTES", MIN_BODY_BYTES, MAX_BODY_BYTES, DEFAULT_BODY_BYTES),
                        timeouts(from),
                        from.whole("MAX_WEBSOCKETS", 1, 1_000_000, DEFAULT_WEBSOCKETS),
                        keys(from),
                        from.parsed("ALLOWED_ORIGINS", Origins::of),
                        from.text("RUNPOD_POD_ID")),
                routes,
                from.flag("ROUTES_RELOAD"),
                from.choice("ENGINE", EngineKind.class, EngineKind.DJL),
                from.text("MODEL"),
                from.text("DEVICE", "auto"),
                from.text("DTYPE", "auto"),
                from.flag("DETERMINISTIC"),
                from.whole("MAX_MODEL_LEN", 16, 1 << 20),
                from.whole("MAX_SLOTS", 1, 1024),
                from.whole("QUEUE_LIMIT", 1, 100_000),
                from.duration("REQUEST_TIMEOUT", Duration.ofSeconds(1), Duration.ofHours(24), DEFAULT_TIMEOUT),
                from.whole("THREADS", 1, 1024),
                Map.copyOf(from.values()));
    }

    private static Timeouts timeouts(SettingsReader from) throws SettingsException {
        var second = Duration.ofSeconds(1);
        var hour = Duration.ofHours(1);
        var absent = Timeouts.DEFAULT;
        return new Timeouts(
                from.duration("HEADER_TIMEOUT", second, hour, absent.header()),
                from.duration("BODY_TIMEOUT", second, hour, absent.body()),
                from.duration("SEND_TIMEOUT", second, hour, absent.send()),
                from.duration("IDLE_TIMEOUT", second, hour, absent.idle()),
                from.duration("PING_INTERVAL", Duration.ZERO, hour, absent.ping()),
                from.duration("PONG_TIMEOUT", second, hour, absent.pong()),
                from.duration("DRAIN_TIMEOUT", Duration.ZERO, hour, absent.drain()));
    }

    private static ApiKeys keys(SettingsReader from) throws SettingsException {
        var file = from.text("API_KEYS_FILE");
        return from.parsed("API_KEYS", list -> ApiKeys.of(list, file == null ? null : Path.of(file)));
    }

    /// A setting as it was given; null where it was not.
    @Nullable
    public String value(String name) {
        return values.get(name);
    }
}
