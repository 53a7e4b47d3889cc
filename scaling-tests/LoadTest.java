import client.Arguments;
import client.UsageException;
import java.io.IOException;
import java.util.Arrays;
import java.util.Locale;
import load.LoadOptions;
import load.LoadReport;
import load.LoadRun;
import report.Interruption;
import report.Progress;

/// Measures how fast a server writes: tokens a second, time to the first token and between tokens, by the number of
/// streams, over HTTP, server-sent events and WebSocket. Run as it is: `java LoadTest.java --help`.
///
/// Ends with 0 when every request was answered, 1 when one was not, 2 for a wrong command line, 3 when no server
/// answers.
final class LoadTest {
    private static final String USAGE = """
            Usage: java scaling-tests/LoadTest.java --url http://localhost:8080
                   java scaling-tests/LoadTest.java --api openai --url http://localhost:8000/v1 --over sse

            Measures tokens a second, time to the first token and between tokens, by the number of streams, against this
            worker or any server with OpenAI's API. Ctrl-C ends it early, with a report of what was measured.""";

    private LoadTest() {}

    static void main(String... words) {
        Locale.setDefault(Locale.ROOT);
        System.exit(run(words));
    }

    private static int run(String... words) {
        LoadRun run;
        LoadOptions options;
        try {
            if (Arrays.asList(words).contains("--help")) {
                System.out.print(Arguments.help(USAGE, LoadOptions.all()));
                return 0;
            }
            options = LoadOptions.of(Arguments.parse(LoadOptions.all(), words));
        } catch (UsageException e) {
            System.err.println("LoadTest: " + e.getMessage());
            return 2;
        }
        run = new LoadRun(options, new Progress(System.err));
        try (var _ = Interruption.ends(Thread.currentThread())) {
            try {
                run.run();
            } catch (IOException e) {
                System.err.println("LoadTest: " + e.getMessage());
                return 3;
            }
            var report = new LoadReport(run);
            report.write();
            System.out.print(report.text());
            System.out.println("Report: " + options.html() + ", figures: " + options.json());
            System.out.flush();
            return run.passed() ? 0 : 1;
        } catch (IOException e) {
            System.err.println("LoadTest: the report cannot be written: " + e.getMessage());
            return 1;
        }
    }
}
