/* node.h - what an operation keeps on the tape, for the backends' kernels (private to tensor). */
#ifndef FETTLE_TENSOR_NODE_H
#define FETTLE_TENSOR_NODE_H

#include "tensor/tensor.h"

struct node {
    op_kind op;
    tensor *in[3], *out;
    weight *w, *bias;
    const layout *layout;
    const int32_t *index; /* token ids, rows */
    const float *length;  /* op_magnitude's divisors */
    float *saved;         /* [saved_floats] of the forward pass, for the backward one */
    size_t saved_floats;
    compute_type compute;
    int segment;
    bool in_place; /* out is in[0] (op_linear_add) */
    uint64_t key;  /* of random numbers */
    float scale;   /* op_linear_add's factor, a norm's epsilon, dropout's p */
    int size;      /* rows of `index`, head_dim of rope, excluded id of embed */
    int activation;
    rope_table rope;
    attention_form attention;
    logp_form logp;
    float *dlogp, *dentropy, *dsmooth, *ddivergence; /* [R] given before backward */
    bool backward_done;                              /* a fused rule makes dW and fused_dh in the forward pass */
    float *fused_dh;                                 /* [R, D], behind the saved values */
    arena *fused_arena;
    bool grad; /* backward will come */
    /* While going backward: gradients of the inputs (NULL: not wanted), and whether something stands there to be added to. */
    float *grad_in[3];
    bool grad_add[3];
};

#endif
