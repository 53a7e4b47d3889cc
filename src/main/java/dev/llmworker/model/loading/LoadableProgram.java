package dev.llmworker.model.loading;

import dev.llmworker.model.device.Precision;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// A decoder program that takes its weights. It says how it holds them, and what it checks itself.
public interface LoadableProgram {
    /// Whether other threads read and check the weights while it takes earlier ones.
    boolean readsAhead();

    /// The layout in which a matrix is kept for a few rows, joined from the parts.
    WeightLayout fewRows(List<Tensor> parts, Precision weights);

    /// The layout for many rows.
    ///
    /// @param copyFits whether the memory has room for all matrices in bfloat16 as well
    WeightLayout manyRows(WeightLayout few, Precision weights, boolean copyFits);

    /// What the embedding takes on the device if the program has one, in bytes.
    ///
    /// @param dense the format of dense matrices
    long embeddingBytes(Tensor embedding, Precision dense);

    /// Whether a program without an embedding can look tokens up in a head of this type.
    boolean embedsByHead(TensorType type);

    /// Whether the program itself looks for NaN and infinity in matrices of this type. It reports them once all weights
    /// are loaded.
    boolean checksFinite(TensorType type);

    /// @param pieces the embedding's bytes
    void putEmbedding(List<MemorySegment> pieces, TensorType type, int rows);

    /// The second embedding, of which each layer takes a part.
    void putLayerEmbedding(List<MemorySegment> pieces, TensorType type, int rows);

    /// Of the norm before the head.
    void putOutputNorm(Tensor norm);

    /// @param role of the vector in its layer, as `program.py` lists them
    /// @param parts that are joined
    void putVector(int layer, String role, List<Tensor> parts);

    /// A matrix of a layer. A layer's experts come one after the other.
    ///
    /// @param layer -1 for what belongs to none: the head, which makes logits and comes last, and others
    /// @param role of the matrix in its layer, as `program.py` lists them
    void putMatrix(int layer, String role, MatrixParts parts, WeightLayout few, WeightLayout many);
}
