package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Client;
import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.client.NoServerException;
import dev.llmworker.scaling.client.Range;
import dev.llmworker.scaling.report.Program;
import dev.llmworker.scaling.report.Progress;
import dev.llmworker.scaling.report.Report;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;

/// Finds out how a load balancer treats a worker: with HTTP polling alone, WebSockets alone, and both.
@Command(
        name = "ScalingTest",
        sortOptions = false,
        showDefaultValues = true,
        customSynopsis = "java scaling-tests/ScalingTest.java --url https://ENDPOINT_ID.api.runpod.ai --token TOKEN",
        description = {
            "",
            "Tests how a load balancer in front of the worker scales it. It answers: does an idle WebSocket count as in"
                    + " flight, is it cut and when, do upgrades wait for each other, does affinity hold, does the proxy"
                    + " close idle WebSockets. Ctrl-C ends it early, with a report of what was measured.",
            ""
        })
public final class ScalingTest extends Program {
    private static final double MAX_SECONDS = 86_400;

    @Option(names = "--connections", paramLabel = "N", defaultValue = "10", description = "WebSockets at the same time")
    @Range(from = 1, to = 10_000)
    int connections;

    @Option(
            names = "--duration",
            paramLabel = "SECONDS",
            defaultValue = "30",
            description = "how long they are held; 340 shows RunPod's cut at 330")
    @Range(from = 0.1, to = MAX_SECONDS)
    double duration;

    @Option(
            names = "--health-polls",
            paramLabel = "N",
            defaultValue = "30",
            description = "health checks of the first test")
    @Range(from = 1, to = 1_000_000)
    int healthPolls;

    @Option(
            names = "--health-interval",
            paramLabel = "SECONDS",
            defaultValue = "1",
            description = "between health checks, and between prompts")
    @Range(from = 0.01, to = 3600)
    double healthInterval;

    @Option(
            names = "--control",
            paramLabel = "SECONDS",
            defaultValue = "NaN",
            showDefaultValue = Visibility.NEVER,
            description = "silence, to see whether workers stop by themselves; 0: none; as --duration if not given")
    @Range(from = 0, to = MAX_SECONDS)
    double control;

    @Option(
            names = "--retry-pause",
            paramLabel = "SECONDS",
            defaultValue = "5",
            description = "between the three attempts to open a WebSocket")
    @Range(from = 0, to = 600)
    double retryPause;

    private ScalingTest() {
        super("scaling-report");
    }

    public static void main(String... words) {
        start(new ScalingTest(), words);
    }

    public static int run(String... words) {
        return run(new ScalingTest(), words);
    }

    @Override
    protected void check() {
        control = Double.isNaN(control) ? duration : control;
    }

    @Override
    protected Report run(Client client, Progress progress) throws NoServerException {
        var run = new ScalingRun(new Probe(this, client, progress));
        run.run();
        return new ScalingReport(run);
    }

    double timeout() {
        return target.timeoutSeconds();
    }

    double workerWait() {
        return wait;
    }

    String url() {
        return target.shown();
    }

    Map<String, Object> settings() {
        return Json.object(
                "url", url(),
                "token", target.hasToken() ? "given" : "none",
                "connections", connections,
                "duration_seconds", duration,
                "health_polls", healthPolls,
                "health_interval_seconds", healthInterval,
                "control_seconds", control,
                "timeout_seconds", timeout());
    }
}
