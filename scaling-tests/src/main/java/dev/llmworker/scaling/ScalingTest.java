package dev.llmworker.scaling;

import java.util.concurrent.TimeoutException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// Finds out how a load balancer treats a worker: with HTTP polling alone, WebSockets alone, and both.
@Command(
        name = "ScalingTest",
        sortOptions = false,
        showDefaultValues = true,
        customSynopsis = "java scaling-tests/ScalingTest.java --url https://ENDPOINT_ID.api.runpod.ai --token TOKEN",
        description =
                "%nTests how a load balancer in front of the worker scales it. It answers: does an idle WebSocket count"
                        + " as in flight, is it cut and when, do upgrades wait for each other, does affinity hold, does the proxy"
                        + " close idle WebSockets. Ctrl-C ends it early, with a report of what was measured.%n")
final class ScalingTest extends Program {
    @Option(names = "--connections", defaultValue = "10", description = "WebSockets at the same time")
    int connections;

    @Option(names = "--duration", defaultValue = "30", description = "seconds to hold them; 340 shows RunPod's cut")
    double duration;

    @Option(names = "--health-polls", defaultValue = "30", description = "health checks of the first test")
    int healthPolls;

    @Option(
            names = "--health-interval",
            defaultValue = "1",
            description = "seconds between checks, and between prompts")
    double healthInterval;

    @Option(
            names = "--control",
            description = "seconds of silence, to see whether workers stop; 0: none; default: duration")
    Double control;

    @Option(names = "--retry-pause", defaultValue = "5", description = "seconds between attempts to open a WebSocket")
    double retryPause;

    private ScalingTest() {
        super("scaling-report");
    }

    static void main(String... words) {
        System.exit(run(words));
    }

    static int run(String... words) {
        return run(new ScalingTest(), words);
    }

    @Override
    void check() {
        control = control == null ? Double.valueOf(duration) : control;
    }

    @Override
    Report measure(Client client, Progress progress) throws TimeoutException {
        var run = new ScalingRun(this, client, progress);
        run.run();
        return ScalingReport.of(run);
    }
}
