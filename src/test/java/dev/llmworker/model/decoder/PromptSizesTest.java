package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PromptSizesTest {
    private static List<Integer> cuts(PromptSizes sizes, int end) {
        var cuts = new ArrayList<Integer>();
        for (var at = sizes.cutAfter(0); at < end; at = sizes.cutAfter(at)) {
            cuts.add(at);
        }
        return cuts;
    }

    @Test
    void aCpuCutsAtMultiplesAndAGpuInEverLongerPieces() {
        assertEquals(List.of(128, 256, 384), cuts(PromptSizes.OF_CPU, 400));
        assertEquals(List.of(512, 1024, 2048, 4096, 6144), cuts(PromptSizes.OF_GPU, 7000));
        assertEquals(List.of(512, 1024, 1536), cuts(PromptSizes.OF_GPU.alike(), 1600));
        assertEquals(List.of(128, 256), cuts(PromptSizes.OF_GPU.atMost(128), 300));
    }

    @Test
    void eachPositionLiesBetweenTheCutsBeforeAndBehindIt() {
        for (var sizes : List.of(PromptSizes.OF_CPU, PromptSizes.OF_GPU, new PromptSizes(4, 64, 256, 2))) {
            var cuts = cuts(sizes, 10_000);
            for (var position = 0; position < 9_000; position++) {
                var before = sizes.cutBefore(position);
                assertTrue(before <= position && (before == 0 || cuts.contains(before)), sizes + " " + position);
                assertTrue(sizes.cutAfter(position) > position, sizes + " " + position);
                assertEquals(sizes.cutAfter(before), sizes.cutAfter(position), sizes + " " + position);
                assertTrue(sizes.cutAfter(position) - before <= sizes.alone(), sizes + " " + position);
            }
        }
    }

    @Test
    void piecesThatDoNotDoubleAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new PromptSizes(16, 128, 384, 1));
        assertThrows(IllegalArgumentException.class, () -> new PromptSizes(16, 8, 8, 1));
        assertThrows(IllegalArgumentException.class, () -> new PromptSizes(16, 128, 128, 0));
    }
}
