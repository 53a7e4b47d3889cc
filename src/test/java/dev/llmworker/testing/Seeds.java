package dev.llmworker.testing;

import java.util.Random;
import org.junit.jupiter.api.RepetitionInfo;

/// The seeds of random tests. Every `mvn verify` uses the same ones; `-Dseed=` chooses others, and `src/test/fuzz.sh`
/// tries fresh ones for as long as you like. Each test that uses them is [Seeded].
public final class Seeds {
    static final String PROPERTY = "seed";
    private static final long USUAL = 1;

    private Seeds() {}

    public static long seed() {
        return Long.getLong(PROPERTY, USUAL);
    }

    /// The first repetition has the seed itself, the next ones those that follow it.
    public static long seed(RepetitionInfo repetition) {
        return seed() + repetition.getCurrentRepetition() - 1;
    }

    public static Random random() {
        return new Random(seed());
    }

    /// How many rounds to run: the usual number, times `-Drounds=`.
    public static int rounds(int usual) {
        return usual * Integer.getInteger("rounds", 1);
    }
}
