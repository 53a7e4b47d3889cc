import client.Arguments;
import client.UsageException;
import java.io.IOException;
import java.util.Arrays;
import java.util.Locale;
import report.Interruption;
import report.Progress;
import scaling.NoWorkerException;
import scaling.ScalingOptions;
import scaling.ScalingReport;
import scaling.ScalingRun;

/// Finds out how a load balancer treats a worker: HTTP polling alone, WebSockets alone, both mixed, as the seed's
/// `test_scaling.py` does, and answers what its documentation leaves open. Run as it is: `java ScalingTest.java
/// --help`.
///
/// Ends with 0 when all tests pass, 1 when one fails, 2 for a wrong command line, 3 when no worker answers.
final class ScalingTest {
    private static final String USAGE = """
            Usage: java scaling-tests/ScalingTest.java --url https://ENDPOINT_ID.api.runpod.ai --token TOKEN

            Tests how a load balancer in front of the worker scales it, and answers: does an idle WebSocket count as in
            flight, is it cut and when, do upgrades serialise, does affinity hold, does the proxy close idle WebSockets.
            Ctrl-C ends it early, with a report of what was measured.""";

    private ScalingTest() {}

    static void main(String... words) {
        Locale.setDefault(Locale.ROOT);
        System.exit(run(words));
    }

    private static int run(String... words) {
        try {
            if (Arrays.asList(words).contains("--help")) {
                System.out.print(Arguments.help(USAGE, ScalingOptions.all()));
                return 0;
            }
            var options = ScalingOptions.of(Arguments.parse(ScalingOptions.all(), words));
            var run = new ScalingRun(options, new Progress(System.err));
            try (var _ = Interruption.ends(Thread.currentThread())) {
                run.run();
                var report = new ScalingReport(run);
                report.write();
                System.out.print(report.text());
                System.out.println("Report: " + options.html() + ", figures: " + options.json());
                System.out.flush();
            }
            return run.passed() ? 0 : 1;
        } catch (UsageException e) {
            System.err.println("ScalingTest: " + e.getMessage());
            return 2;
        } catch (NoWorkerException e) {
            System.err.println("ScalingTest: " + e.getMessage());
            return 3;
        } catch (IOException e) {
            System.err.println("ScalingTest: the report cannot be written: " + e.getMessage());
            return 1;
        }
    }
}
