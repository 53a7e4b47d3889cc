package scaling;

import client.Arguments;
import client.Option;
import client.Target;
import client.UsageException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// What a run of the scaling tests does. The first five options are those of the seed's `test_scaling.py`.
///
/// @param control how long nothing is sent, to see whether the workers go away by themselves
/// @param workerWait for the first healthy answer
/// @param retryPause between the tries at opening a WebSocket
public record ScalingOptions(
        Target target,
        int connections,
        Duration duration,
        int healthPolls,
        Duration healthInterval,
        Duration control,
        Duration workerWait,
        Duration retryPause,
        Path json,
        Path html) {
    private static final List<Option> OWN = List.of(
            Option.of("--connections", "N", "10", "WebSockets at the same time"),
            Option.of("--duration", "SECONDS", "30", "how long they are held; 340 sees RunPod's cut at 330"),
            Option.of("--health-polls", "N", "30", "health checks of the first test"),
            Option.of("--health-interval", "SECONDS", "1", "between health checks, and between prompts"),
            Option.of(
                    "--control",
                    "SECONDS",
                    "as --duration",
                    "silence, to see whether workers go by themselves; 0: none"),
            Option.of("--retry-pause", "SECONDS", "5", "between the three tries at opening a WebSocket"),
            Option.of("--json", "FILE", "scaling-report.json", "where the figures go"),
            Option.of("--html", "FILE", "scaling-report.html", "where the report goes"));
    private static final double MAX_SECONDS = 86_400;

    public static List<Option> all() {
        var all = new ArrayList<>(Target.OPTIONS.subList(0, 2));
        all.addAll(OWN);
        all.addAll(Target.OPTIONS.subList(2, Target.OPTIONS.size()));
        all.add(Option.flag("--help", "this text"));
        return all;
    }

    public static ScalingOptions of(Arguments arguments) throws UsageException {
        var duration = arguments.seconds("--duration", 0.1, MAX_SECONDS);
        return new ScalingOptions(
                Target.of(arguments),
                arguments.whole("--connections", 1, 10_000),
                duration,
                arguments.whole("--health-polls", 1, 1_000_000),
                arguments.seconds("--health-interval", 0.01, 3600),
                arguments.has("--control") ? arguments.seconds("--control", 0, MAX_SECONDS) : duration,
                arguments.seconds("--wait", 0, MAX_SECONDS),
                arguments.seconds("--retry-pause", 0, 600),
                Path.of(arguments.text("--json")),
                Path.of(arguments.text("--html")));
    }
}
