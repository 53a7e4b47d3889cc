package dev.llmworker.model.decoder;

/// How many tokens of prompts a decoder takes at once.
///
/// @param least tokens that are worth a step. Fewer hardly save time, because all rows share the time that reading the
///     weights takes
/// @param beside the most tokens that go with a decode step
/// @param alone the most tokens of a call of their own: `beside` times a power of two
/// @param parts of how many prompts the tokens of a step are, at most
public record PromptSizes(int least, int beside, int alone, int parts) {
    /// A CPU gains nothing by larger pieces, nor loses by many small ones.
    public static final PromptSizes OF_CPU = new PromptSizes(16, 128, 128, Integer.MAX_VALUE);
    /// Each call reads all weights, which takes a GPU as long as to compute with some hundred tokens. Each part of a
    /// step is some five launches more in each layer.
    public static final PromptSizes OF_GPU = new PromptSizes(16, 512, 2048, 4);

    public PromptSizes {
        if (least < 1 || least > beside || alone % beside != 0 || Integer.bitCount(alone / beside) != 1 || parts < 1) {
            throw new IllegalArgumentException("prompts of " + least + " to " + beside + " tokens in " + parts
                    + " parts beside a step, of up to " + alone + " alone");
        }
    }

    PromptSizes withLeast(int tokens) {
        return new PromptSizes(tokens, beside, alone, parts);
    }

    /// The same sizes, but no piece has more than this many tokens.
    PromptSizes atMost(int tokens) {
        return new PromptSizes(Math.min(least, tokens), Math.min(beside, tokens), Math.min(alone, tokens), parts);
    }

    /// With pieces alone as long as beside a step: then a prompt is cut in the same way whatever runs.
    PromptSizes alike() {
        return new PromptSizes(least, beside, beside, parts);
    }

    /// Where a prompt that runs alone is cut: at the last such position up to this one. Prompts are always cut at
    /// the same positions, so that the same tokens fill the cache with the same numbers. The first pieces are
    /// shorter, so that more of a short prompt can be reused.
    public int cutBefore(int position) {
        if (position >= alone) {
            return position / alone * alone;
        }
        return position < beside ? 0 : beside * Integer.highestOneBit(position / beside);
    }

    /// The next such position behind this one.
    public int cutAfter(int position) {
        var before = cutBefore(position);
        return before < beside ? beside : before + Math.min(before, alone);
    }
}
