package dev.llmworker;

import dev.llmworker.assembly.Engines;
import dev.llmworker.assembly.Listening;
import dev.llmworker.assembly.RunPod;
import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.command.AotTraining;
import dev.llmworker.command.DeviceCheck;
import dev.llmworker.command.ModelCheck;
import dev.llmworker.generation.Generator;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.serving.port.PortException;
import dev.llmworker.settings.Logging;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.UnknownSettings;
import dev.llmworker.stats.WorkerStats;
import java.util.List;
import org.slf4j.LoggerFactory;
import sun.misc.Signal;

/// The worker's `main`. The port is opened first, so that `/ping` is answered while the rest still starts.
public final class Worker {
    private static final int FAILED = 1;
    private static final String TRAIN_AOT = "--train-aot";
    private static final String SELF_TEST = "--self-test";
    private static final String CHECK_MODEL = "--check-model";

    private Worker() {}

    public static void main(String[] args) {
        optOutOfTracking();
        try {
            Logging.configure(Settings.values(System.getenv()));
            if (List.of(args).equals(List.of(TRAIN_AOT))) {
                AotTraining.run(System.getenv());
                System.exit(0);
            }
            if (List.of(args).equals(List.of(SELF_TEST))) {
                var passed = DeviceCheck.of(Settings.read(System.getenv())).run();
                System.exit(passed ? 0 : FAILED);
            }
            if (args.length == 2 && args[0].equals(CHECK_MODEL)) {
                System.exit(ModelCheck.run(args[1], System.getenv(), System.out));
            }
            run();
        } catch (SettingsException | PortException e) {
            fail(String.valueOf(e.getMessage()));
        } catch (Exception e) {
            fail("cannot start: " + rootCause(e));
        }
    }

    /// Otherwise DJL reports its use to its makers. Set before DJL loads; tests have it from `pom.xml`.
    static void optOutOfTracking() {
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    private static void run() throws Exception {
        var settings = Settings.read(System.getenv());
        UnknownSettings.warnings(System.getenv()).forEach(LoggerFactory.getLogger(Worker.class)::warn);
        serve(settings, (_, port, stats) -> Engines.start(settings, port.vertx(), stats));
    }

    /// Starts what generates.
    @FunctionalInterface
    public interface Engine {
        Generator start(Settings settings, HttpPort port, WorkerStats stats) throws SettingsException;
    }

    /// Returns when the worker has stopped.
    public static void serve(Settings settings, Engine engine) throws Exception {
        var stats = new WorkerStats();
        var port = HttpPort.open(Listening.settings(settings));
        hurryAtSecondSignal(port);
        RunPod.check(settings, port::wasPinged);
        var beans = WorkerBeans.of(port, engine.start(settings, port, stats), stats);
        new CamelApplication(settings, beans).run();
    }

    /// The first one lets what runs come to its end.
    private static void hurryAtSecondSignal(HttpPort port) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            for (var name : List.of("TERM", "INT")) {
                Signal.handle(new Signal(name), _ -> port.hurry());
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
    private static void fail(String message) {
        System.err.println("worker: " + message);
        System.exit(FAILED);
    }
}
