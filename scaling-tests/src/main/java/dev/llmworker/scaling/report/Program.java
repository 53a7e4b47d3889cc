package dev.llmworker.scaling.report;

import dev.llmworker.scaling.client.Client;
import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.client.NoServerException;
import dev.llmworker.scaling.client.Range;
import dev.llmworker.scaling.client.RunClock;
import dev.llmworker.scaling.client.Target;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// A program of the command line: its common options, its exit status, and its end by Ctrl-C.
///
/// It ends with 0 if the report says so and with 1 if not, with 2 for a wrong option, with 3 if no server answers.
public abstract class Program implements Callable<Integer> {
    private static final int WRONG_OPTION = 2;
    private static final int NO_SERVER = 3;
    private static final int MAX_REPORT_SECONDS = 20;
    private static final int HELP_COLUMNS = 110;

    /// The reports name all failures. The JVM forgets the level of a logger that nobody holds.
    private static final List<Logger> SILENT = List.of(Logger.getLogger("io.vertx"), Logger.getLogger("io.netty"));

    @Mixin
    protected Target target;

    @Option(
            names = "--wait",
            paramLabel = "SECONDS",
            defaultValue = "180",
            description = "limit for the first healthy answer, while a worker starts")
    @Range(from = 0, to = 86_400)
    protected double wait;

    @Option(names = "--json", paramLabel = "FILE", description = "where the figures go")
    private Path json;

    @Option(names = "--html", paramLabel = "FILE", description = "where the report goes")
    private Path html;

    @Option(names = "--help", usageHelp = true, description = "show this help")
    private boolean help;

    @Spec
    private CommandSpec spec;

    /// @param report name of the report's files if no option gives one
    protected Program(String report) {
        json = Path.of(report + ".json");
        html = Path.of(report + ".html");
    }

    /// Runs everything, or as much as it can before the thread is interrupted.
    protected abstract Report run(Client client, Progress progress) throws NoServerException;

    /// Checks what depends on several options.
    protected void check() {}

    protected final ParameterException wrong(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /// Runs a program in a JVM of its own, which ends with it.
    protected static void start(Program program, String... words) {
        Locale.setDefault(Locale.ROOT);
        SILENT.forEach(logger -> logger.setLevel(Level.OFF));
        System.setProperty("java.awt.headless", "true");
        // Java 25 warns about memory access that Netty can do without.
        System.setProperty("io.netty.noUnsafe", "true");
        // Names are resolved as by the rest of the machine.
        System.setProperty("vertx.disableDnsResolver", "true");
        System.exit(run(program, words));
    }

    /// @return the exit status
    protected static int run(Program program, String... words) {
        return new CommandLine(program)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setOverwrittenOptionsAllowed(true)
                .setExpandAtFiles(false)
                .setUsageHelpWidth(HELP_COLUMNS)
                .setParameterExceptionHandler((e, _) -> {
                    var message = e.getArgSpec() == null || e.getValue() == null
                            ? e.getMessage()
                            : Range.Check.text(e.getArgSpec(), e.getValue()).orElse(e.getMessage());
                    return program.say(message, WRONG_OPTION);
                })
                .execute(words);
    }

    @Override
    public final Integer call() {
        for (var option : spec.options()) {
            Range.Check.value(option).ifPresent(fault -> {
                throw wrong(fault);
            });
        }
        check();
        var reported = new CountDownLatch(1);
        var interrupt = interrupt(Thread.currentThread(), reported);
        Runtime.getRuntime().addShutdownHook(interrupt);
        try (var client = new Client(target, new RunClock())) {
            var report = run(client, new Progress());
            Files.writeString(json, Json.writeIndented(report.figures()));
            report.page().write(html);
            System.out.print(report.text());
            System.out.println("Report: " + html + ", figures: " + json);
            System.out.flush();
            return report.passed() ? 0 : 1;
        } catch (NoServerException e) {
            return say(e.getMessage(), NO_SERVER);
        } catch (IOException e) {
            return say("the report cannot be written: " + e, 1);
        } finally {
            reported.countDown();
            try {
                Runtime.getRuntime().removeShutdownHook(interrupt);
            } catch (IllegalStateException _) {
                // The JVM is shutting down, and the hook has done its work.
            }
        }
    }

    private int say(String message, int status) {
        System.err.println(spec.name() + ": " + message);
        return status;
    }

    /// On Ctrl-C, ends the run early and waits until its report is written.
    private static Thread interrupt(Thread run, CountDownLatch reported) {
        return new Thread(() -> {
            System.err.println("\nstopping; the report will have what was measured");
            run.interrupt();
            try {
                reported.await(MAX_REPORT_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
            }
        });
    }
}
