package dev.llmworker;

import dev.llmworker.assembly.Engines;
import dev.llmworker.assembly.Listening;
import dev.llmworker.assembly.RunPod;
import dev.llmworker.assembly.StartReport;
import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.command.AotTraining;
import dev.llmworker.command.DeviceCheck;
import dev.llmworker.command.ModelCheck;
import dev.llmworker.generation.Generator;
import dev.llmworker.logs.ProcessEnd;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.serving.port.PortException;
import dev.llmworker.settings.Logging;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsSource;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.settings.UnknownSettings;
import dev.llmworker.stats.WorkerStats;
import java.util.HashMap;
import java.util.List;
import org.slf4j.LoggerFactory;
import sun.misc.Signal;

/// The worker's `main`. The port is opened early, so that `/ping` is answered while the rest still starts.
public final class Worker {
    private static final int FAILED = ProcessEnd.FAILED;
    private static final int MISUSED = 2;
    /// The exit status of a shell's child that a signal has ended, less the signal's number.
    private static final int SIGNALLED = 128;
    private static final String TRAIN_AOT = "--train-aot";
    private static final String SELF_TEST = "--self-test";
    private static final String CHECK_MODEL = "--check-model";
    private static final String VERSION = "--version";

    private Worker() {}

    public static void main(String[] args) {
        optOutOfTracking();
        ProcessEnd.whenMemoryIsOut();
        try {
            perform(List.of(args));
        } catch (SettingsException | PortException e) {
            fail(String.valueOf(e.getMessage()), FAILED);
        } catch (Throwable e) {
            // An error too: the open port would keep the process alive.
            fail("cannot start: " + rootCause(e), FAILED);
        }
    }

    private static void perform(List<String> arguments) throws Exception {
        var environment = new HashMap<>(System.getenv());
        var first = arguments.isEmpty() ? "" : arguments.getFirst();
        if (arguments.size() == 1 && !first.startsWith("-")) {
            environment.put(SettingsTable.MODEL.name(), first);
        } else if (arguments.equals(List.of(VERSION))) {
            System.out.println("camel-llm-worker " + WorkerBeans.version());
            System.exit(0);
        }
        var source = SettingsSource.read(environment);
        Logging.configure(source.values());
        if (arguments.isEmpty() || !first.startsWith("-")) {
            require(arguments.size() <= 1, arguments);
            run(source);
        } else if (arguments.equals(List.of(TRAIN_AOT))) {
            AotTraining.run(environment);
            System.exit(0);
        } else if (arguments.equals(List.of(SELF_TEST))) {
            Engines.requireSystem();
            haltAtSignal();
            System.exit(DeviceCheck.of(Settings.of(source)).run() ? 0 : FAILED);
        } else {
            require(arguments.size() == 2 && first.equals(CHECK_MODEL), arguments);
            Engines.requireSystem();
            haltAtSignal();
            System.exit(ModelCheck.run(arguments.getLast(), environment, System.out));
        }
    }

    /// A command that only computes ends at once. At an orderly exit libtorch is taken down while it computes, and
    /// crashes.
    private static void haltAtSignal() {
        for (var name : List.of("INT", "TERM")) {
            Signal.handle(new Signal(name), signal -> ProcessEnd.halt(SIGNALLED + signal.getNumber()));
        }
    }

    private static void require(boolean understood, List<String> arguments) {
        if (!understood) {
            fail(
                    "cannot understand the arguments " + String.join(" ", arguments)
                            + "; there may be a MODEL to serve, --check-model MODEL, --self-test or --version",
                    MISUSED);
        }
    }

    /// Otherwise DJL reports its use to its makers. Set before DJL loads; tests have it from `pom.xml`.
    static void optOutOfTracking() {
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    private static void run(SettingsSource source) throws Exception {
        var settings = Settings.of(source);
        var prepared = Engines.prepare(settings);
        UnknownSettings.warnings(source).forEach(LoggerFactory.getLogger(Worker.class)::warn);
        var report = StartReport.ofThisProcess(settings);
        serve(settings, report, (_, port, stats) -> Engines.start(settings, port.vertx(), stats, report, prepared));
    }

    /// Starts what generates.
    @FunctionalInterface
    public interface Engine {
        Generator start(Settings settings, HttpPort port, WorkerStats stats) throws SettingsException;
    }

    /// Returns when the worker has stopped.
    public static void serve(Settings settings, Engine engine) throws Exception {
        serve(settings, new StartReport(), engine);
    }

    private static void serve(Settings settings, StartReport report, Engine engine) throws Exception {
        var stats = new WorkerStats();
        var port = HttpPort.open(Listening.settings(settings));
        hurryAtSecondSignal(port);
        RunPod.check(settings, port::wasPinged);
        var beans = WorkerBeans.of(port, engine.start(settings, port, stats), stats, report);
        new CamelApplication(settings, beans).run();
    }

    /// The first one lets what runs come to its end.
    private static void hurryAtSecondSignal(HttpPort port) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            for (var name : List.of("TERM", "INT")) {
                Signal.handle(new Signal(name), _ -> port.drain().hurry());
            }
        }));
    }

    private static String rootCause(Throwable failure) {
        var cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause.getMessage() == null ? cause.toString() : cause.getMessage();
    }

    /// Ends the process even though the event loops still run.
    private static void fail(String message, int status) {
        ProcessEnd.flushLog();
        System.err.println("worker: " + message);
        System.exit(status);
    }
}
