package dev.llmworker.hub.progress;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProgressTest {
    private long nowNanos = -7;

    @Test
    void aLogGetsALineEveryFiveSecondsAndOneAtTheEnd() {
        var lines = new ArrayList<String>();
        var progress = new Progress(null, lines::add, () -> nowNanos);

        progress.stage("downloading x.gguf", 98_362_432);
        for (var second = 1; second <= 12; second++) {
            pass(Duration.ofSeconds(1));
            progress.advanced(8_000_000);
        }
        progress.advanced(2_362_432);
        progress.done();

        assertEquals(
                List.of(
                        "downloading x.gguf: 40.0 MB of 98.4 MB (40 %)",
                        "downloading x.gguf: 80.0 MB of 98.4 MB (81 %)", "downloading x.gguf: 98.4 MB in 12 s"),
                lines);
    }

    @Test
    void aStageThatEndsEarlySaysHowFarItCame() {
        var lines = new ArrayList<String>();
        var progress = new Progress(null, lines::add, () -> nowNanos);

        progress.stage("downloading x.gguf", 5_000_000_000L);
        progress.advanced(999);
        progress.done();

        assertEquals(List.of("downloading x.gguf: 999 bytes of 5.0 GB (0 %) in 0 s"), lines);
    }

    @Test
    void aTerminalGetsOneLineThatIsDrawnOverItself() {
        var terminal = new StringWriter();
        var progress = new Progress(new PrintWriter(terminal), _ -> {}, () -> nowNanos);

        progress.stage("x", 2_000);
        pass(Duration.ofMillis(99));
        progress.advanced(500);
        pass(Duration.ofMillis(1));
        progress.advanced(500);
        progress.advanced(1_000);
        progress.done();

        var erase = "\u001b[K";
        assertEquals(
                "\rx [..............................] 0 bytes of 2.0 kB (0 %)" + erase
                        + "\rx [###############...............] 1.0 kB of 2.0 kB (50 %)" + erase
                        + "\rx [##############################] 2.0 kB" + erase + "\n",
                terminal.toString());
    }

    private void pass(Duration time) {
        nowNanos += time.toNanos();
    }
}
