package dev.llmworker.model;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/// A model as the programs run it: its sizes and constants, and what each of its layers does. The programs do not know
/// any architecture's name.
///
/// @param architecture as GGUF names it, for messages
/// @param hidden values of a token between layers
/// @param contextLength the most tokens that the model was trained for and can attend to
/// @param epsilon of the RMS norms
/// @param embeddingScale factor of the embedded tokens
/// @param logitScale factor of the logits
/// @param logitCap logits are bounded by `cap * tanh(logit / cap)`; 0 is no bound
/// @param normsFromZero whether the file has the weights of RMS norms less 1
public record ModelConfig(
        String name,
        String architecture,
        int hidden,
        int vocabulary,
        int contextLength,
        float epsilon,
        double embeddingScale,
        double logitScale,
        double logitCap,
        boolean normsFromZero,
        List<Layer> layers) {
    public ModelConfig {
        layers = List.copyOf(layers);
    }

    /// Whether a layer has a state at one position alone.
    public boolean isRecurrent() {
        return layers.stream().anyMatch(layer -> layer.mixer() instanceof DeltaNet);
    }

    /// What the layers keep of a sequence, one by one.
    ///
    /// @param positions that a slot holds
    public List<LayerState> states(long positions) {
        return layers.stream().map(layer -> layer.mixer().state(positions)).toList();
    }

    /// Bytes that a token takes in the cache, beside [#cacheBytesPerSlot].
    ///
    /// @param positions that a slot holds
    /// @param numberBytes bytes of a number of keys and values
    public long cacheBytesPerToken(long positions, int numberBytes) {
        return states(positions).stream()
                .mapToLong(state -> state.perPosition(numberBytes))
                .sum();
    }

    /// Bytes that a slot takes in the cache whatever its length.
    public long cacheBytesPerSlot(long positions, int numberBytes) {
        return states(positions).stream()
                .mapToLong(state -> state.fixed(numberBytes))
                .sum();
    }

    /// How [#cacheBytesPerToken] comes about, for messages.
    public String cacheArithmetic(long positions, int numberBytes) {
        return counted(layer -> layer.mixer() instanceof Attention attention
                                && layer.mixer().state(positions) instanceof LayerState.Full
                        ? attention.kvHeads() + " heads × " + attention.headDim()
                        : "")
                .entrySet()
                .stream()
                .filter(kind -> !kind.getKey().isEmpty())
                .map(kind -> "2 × " + kind.getValue() + " layers × " + kind.getKey() + " × " + numberBytes + " bytes")
                .collect(Collectors.joining(" + "));
    }

    /// How [#cacheBytesPerSlot] comes about, for messages; empty if it is 0.
    public String slotArithmetic(long positions) {
        return counted(layer -> switch (layer.mixer().state(positions)) {
                    case LayerState.Full _ -> "";
                    case LayerState.Ring ring ->
                        " layers with the last " + ring.length() + " tokens of a window of " + ring.window();
                    case LayerState.Recurrent _ -> " recurrent layers";
                })
                .entrySet()
                .stream()
                .filter(kind -> !kind.getKey().isEmpty())
                .map(kind -> LayerState.COPIES + " × " + kind.getValue() + kind.getKey())
                .collect(Collectors.joining(" + "));
    }

    /// The kinds of layers in words: `24 with 4 heads of 64`.
    public String kinds() {
        var kinds = counted(Layer::description);
        return kinds.size() == 1
                ? kinds.keySet().iterator().next()
                : kinds.entrySet().stream()
                        .map(kind -> kind.getValue() + " with " + kind.getKey())
                        .collect(Collectors.joining("; "));
    }

    private Map<String, Long> counted(Function<Layer, String> description) {
        return layers.stream().collect(Collectors.groupingBy(description, LinkedHashMap::new, Collectors.counting()));
    }

    /// Bytes of what a program computes for a row between two layers, in float32.
    public long activationBytes() {
        return layers.stream().mapToLong(this::activationBytes).max().orElse(0);
    }

    private long activationBytes(Layer layer) {
        var mixer = layer.mixer();
        var widest = 2L * hidden
                + mixer.inputWidth()
                + mixer.resultWidth()
                + 3L * layer.feedForward().activeWidth();
        return widest * Float.BYTES;
    }

    /// Whether all layers are of the same kind, and have nothing but what Llama, Qwen 2 and Qwen 3 have.
    public boolean isPlain() {
        return embeddingScale == 1
                && logitScale == 1
                && logitCap == 0
                && new HashSet<>(layers).size() == 1
                && layers.getFirst().isPlain();
    }
}
