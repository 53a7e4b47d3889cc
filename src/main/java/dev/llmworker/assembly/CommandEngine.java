package dev.llmworker.assembly;

import dev.llmworker.child.ChildServer;
import dev.llmworker.child.CommandLine;
import dev.llmworker.child.CommandLine.Placeholder;
import dev.llmworker.child.Launcher;
import dev.llmworker.generation.Readiness;
import dev.llmworker.hub.ModelLocator;
import dev.llmworker.hub.progress.Progress;
import dev.llmworker.remote.RemoteGenerator;
import dev.llmworker.remote.RemoteOptions;
import dev.llmworker.remote.ServerAddress;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.stats.EngineStats;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/// `ENGINE_COMMAND`: a server that the worker starts and watches, and the remote generator in front of it.
final class CommandEngine {
    /// Less than the time that a shutdown has after its running requests.
    private static final Duration STOP = Duration.ofSeconds(10);

    private final Settings settings;
    private final CommandLine command;
    private final RemoteOptions options;
    private final Launcher launcher;

    private CommandEngine(Settings settings, CommandLine command, RemoteOptions options, Launcher launcher) {
        this.settings = settings;
        this.command = command;
        this.options = options;
        this.launcher = launcher;
    }

    /// @param text the value of `ENGINE_COMMAND`
    /// @throws SettingsException if it cannot be started with these settings on this machine
    static CommandEngine of(Settings settings, String text) throws SettingsException {
        return of(settings, text, STOP);
    }

    /// @param stop how long the server may take to end after SIGTERM
    static CommandEngine of(Settings settings, String text, Duration stop) throws SettingsException {
        if (settings.orNull(SettingsTable.ENGINE_BASE_URL) != null) {
            throw new SettingsException("ENGINE_COMMAND and ENGINE_BASE_URL are both set; unset one of them");
        }
        var command = parse(text);
        var named = command.placeholders();
        if (!named.contains(Placeholder.PORT)) {
            throw new SettingsException(
                    "ENGINE_COMMAND lacks {port}, the port at which the server must listen, as in --port {port}");
        }
        require(named, Placeholder.MODEL, settings.orNull(SettingsTable.MODEL), SettingsTable.MODEL.name());
        require(
                named,
                Placeholder.CONTEXT,
                settings.orNull(SettingsTable.MAX_MODEL_LEN),
                SettingsTable.MAX_MODEL_LEN.name());
        var launcher = new Launcher(environment(settings), stop);
        var missing = launcher.missing(command.words().getFirst());
        if (missing != null) {
            throw new SettingsException("ENGINE_COMMAND needs the program " + missing + ", which is not on this machine"
                    + (missing.contains("/") ? "" : "'s PATH") + " or cannot be executed");
        }
        return new CommandEngine(settings, command, RemoteEngine.ofChild(settings), launcher);
    }

    private static CommandLine parse(String text) throws SettingsException {
        try {
            return CommandLine.parse(text);
        } catch (IllegalArgumentException e) {
            throw new SettingsException("ENGINE_COMMAND " + e.getMessage());
        }
    }

    private static void require(Set<Placeholder> named, Placeholder placeholder, @Nullable Object value, String setting)
            throws SettingsException {
        if (named.contains(placeholder) && value == null) {
            throw new SettingsException(
                    "ENGINE_COMMAND names " + placeholder + ", and " + setting + " is not set; set " + setting);
        }
    }

    /// The environment of this process without the worker's own settings.
    private static Map<String, String> environment(Settings settings) {
        var environment = new HashMap<>(System.getenv());
        SettingsTable.all().forEach(setting -> environment.remove(setting.name()));
        for (var name : SettingsTable.SHARED) {
            var value = settings.value(name);
            if (value != null) {
                environment.put(name, value);
            }
        }
        return environment;
    }

    /// Returns at once; the server starts on a thread of its own.
    RemoteGenerator start(Vertx vertx, EngineStats stats, StartReport report) {
        return start(
                vertx,
                stats,
                report,
                ChildServer.Limits.of(
                        settings.get(SettingsTable.ENGINE_START_TIMEOUT),
                        settings.get(SettingsTable.ENGINE_HANG_TIMEOUT)));
    }

    RemoteGenerator start(Vertx vertx, EngineStats stats, StartReport report, ChildServer.Limits limits) {
        var generator = RemoteGenerator.start(vertx, options);
        var server = ChildServer.start(this::prepare, launcher, new Front(generator, stats, report), limits);
        generator.closeWith(server::close);
        return generator;
    }

    private IntFunction<List<String>> prepare() throws IOException, InterruptedException {
        var values = new EnumMap<Placeholder, String>(Placeholder.class);
        put(values, Placeholder.MODEL, settings.orNull(SettingsTable.MODEL));
        put(values, Placeholder.CONTEXT, settings.orNull(SettingsTable.MAX_MODEL_LEN));
        if (command.placeholders().contains(Placeholder.MODEL_PATH)) {
            var located = new ModelLocator(settings::value, Progress.ofThisProcess()).locate();
            located.check();
            put(values, Placeholder.MODEL_PATH, located.file().toAbsolutePath());
        }
        return port -> {
            var all = new EnumMap<>(values);
            put(all, Placeholder.PORT, port);
            return command.filled(all);
        };
    }

    private static void put(Map<Placeholder, String> values, Placeholder name, @Nullable Object value) {
        if (value != null) {
            values.put(name, value.toString());
        }
    }

    /// Tells the generator, the metrics and the start's report about the server.
    ///
    /// Threading: one thread.
    private static final class Front implements ChildServer.Front {
        private final RemoteGenerator generator;
        private final EngineStats stats;
        private final StartReport report;
        private boolean hasServed;

        Front(RemoteGenerator generator, EngineStats stats, StartReport report) {
            this.generator = generator;
            this.stats = stats;
            this.report = report;
        }

        @Override
        public void opened(int port) {
            generator.serveAt(ServerAddress.parse("http://127.0.0.1:" + port));
        }

        @Override
        public void closed() {
            generator.serveNowhere();
        }

        @Override
        public boolean isReady() {
            var ready = generator.readiness() instanceof Readiness.Ready;
            hasServed |= ready;
            return ready;
        }

        @Override
        public long heard() {
            return generator.lastHeard();
        }

        @Override
        public void restarted() {
            stats.recordRestart();
        }

        @Override
        public void failing(String how) {
            generator.otherwise(new Readiness.Failed("the engine's server keeps ending"));
            failed("the engine's server keeps ending: it " + how, hasServed);
        }

        @Override
        public void recovered() {
            generator.otherwise(new Readiness.Loading());
            report.recovered();
        }

        @Override
        public void failed(String reason) {
            generator.otherwise(new Readiness.Failed("the engine's server cannot be started"));
            failed("the engine's server cannot be started: " + reason, false);
        }

        private void failed(String reason, boolean later) {
            if (later) {
                report.engineFailed(reason);
            } else {
                report.modelFailed(reason);
            }
        }
    }
}
